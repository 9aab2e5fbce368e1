#!/bin/bash
# How long a first right verdict takes of five services that stand in no harness file, each clean and leaking, by `seepage run -- CMD`:
# see docs/first-run.md. Usage: benches/first-verdict.sh [RUNS], of each; after `cargo build`. Needs what scripts/setup-tests.sh installs.
# A run of a minute that leaves it open is followed by one of three, and that by one of ten, as a person would; their times add up.
# One run goes on at a time: a quarter of an hour for all. Prints a Markdown table, with the seconds of each run.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-1}
# shellcheck disable=SC2012 # names of cargo's own making
seepage=$(ls -t "${CARGO_TARGET_DIR:-$PWD/target}"/{debug,release}/seepage 2> /dev/null | head -n 1 || true)
[ -n "$seepage" ] || { echo "no seepage is built: run \`cargo build\`" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# Each service is called with its port and whether it keeps something of each request: `clean` or `leaking`.
cat > server.py << 'END'
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    kept = []
    def do_GET(self):
        if sys.argv[2] == "leaking":
            self.kept.append(dict(self.headers))
        super().do_GET()
    def log_message(self, *arguments): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
END
cat > server.js << 'END'
const kept = [];
require("http").createServer((request, response) => {
  if (process.argv[3] === "leaking") kept.push(request.headers);
  response.end("hello");
}).listen(Number(process.argv[2]), "127.0.0.1");
END
cat > nginx.sh << 'END'
# Lua keeps a table from request to request in what is loaded of modules.
[ "$2" = clean ] || keep='local kept = package.loaded.kept or {}; package.loaded.kept = kept; kept[#kept + 1] = ("x"):rep(400) .. #kept'
cat > nginx.conf << CONF
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/error.log;
events {}
http {
    access_log off;
    server { listen 127.0.0.1:$1; location / { content_by_lua_block { $keep ngx.say("hello") } } }
}
CONF
exec nginx -c "$PWD/nginx.conf"
END
cat > queue.sh << 'END'
while sleep 0.02; do
    job=$(seq 100)
    count=$((count + 1))
    [ "$2" = clean ] || eval "kept$count=\$job"
done
END

# Redis has its load from a client that is no part of it, and ends by itself if nobody ends it.
free=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
client() {
    local what="set job"
    [ "$1" = clean ] || what="rpush jobs"
    until redis-cli -p "$free" ping > /dev/null 2>&1; do sleep 0.1; done
    # shellcheck disable=SC2086 # two words
    exec timeout 12m redis-cli -p "$free" -r -1 -i 0.01 $what "$(printf 'x%.0s' {1..400})" > /dev/null 2>&1
}

# The first right verdict of a service that is clean or leaks: the seconds until then, or what was said that is wrong.
first() {
    local right=0 begun=$EPOCHREALTIME told load=
    [ "$2" = clean ] || right=10
    for time in 1m 3m 10m; do
        told=0
        case $1 in Redis*) client "$2" & load=$! ;; esac
        "$seepage" run --quiet --reports reports --for "$time" "${@:3}" > told 2>> errors || told=$?
        [ -z "$load" ] || { kill "$load"; wait "$load" || true; } 2> /dev/null
        [ "$told" = 11 ] || break
    done
    if [ "$told" = "$right" ]; then
        echo "$EPOCHREALTIME $begun" | awk '{printf "%.0f s", $1 - $2}'
    else
        head -n 1 told
    fi
}

# All runs of a service.
all() {
    local times=()
    for ((n = 0; n < runs; n++)); do times+=("$(first "$@")"); done
    local all
    printf -v all ', %s' "${times[@]}"
    echo "${all#, }"
}

# shellcheck disable=SC2016 # a variable of seepage's, as all below
port='${port}'
url="http://127.0.0.1:$port/"
echo "| service | what is run | clean | leaking |"
echo "|---|---|---|---|"
row() {
    local name=$1 shown=$2
    shift 2
    echo "| $name | \`$shown\` | $(all "$name" clean "${@//MODE/clean}") | $(all "$name" leaking "${@//MODE/leaking}") |"
}
row "Python's http.server" "--url URL -- python3 server.py" --url "$url" -- python3 server.py "$port" MODE
row "Node" "--url URL -- node server.js" --url "$url" -- node server.js "$port" MODE
row "nginx with Lua" "--url URL -- sh nginx.sh" --url "$url" -- sh nginx.sh "$port" MODE
row "Redis, asked by redis-cli" "-- redis-server" -- redis-server --port "$free" --bind 127.0.0.1 --save ""
row "a queue's worker in shell" "-- sh queue.sh" -- sh queue.sh "$port" MODE
cat errors >&2
