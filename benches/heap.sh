#!/bin/bash
# What the preload library costs beside other tools, all of them in turn; see docs/heap.md.
# Usage: benches/heap.sh [ROUNDS]; after `cargo build`. Needs cc and python3; what is missing of apache2 (with apxs), ab,
# redis-server, redis-benchmark, heaptrack, valgrind and libjemalloc2 is left out. Prints Markdown tables.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-7}
# shellcheck disable=SC2012 # names of cargo's own making
ours=$(ls -t "$PWD/${CARGO_TARGET_DIR:-target}"/*/build/seepage-*/out/libseepage_heap.so | head -n 1)
scratch=$(mktemp -d)
chmod 755 "$scratch"
server=
job=
words=()
trap '[ -z "$server" ] || kill "$server"; rm -rf "$scratch"' EXIT
TIMEFORMAT='%U %S'
cc -O2 -pthread -fno-builtin -o "$scratch/churn" benches/heap/churn.c
cc -O2 -shared -fPIC -o "$scratch/empty.so" benches/heap/empty.c
cp "$ours" "$scratch/ours.so"
jemalloc=$(ldconfig -p | awk '/libjemalloc\.so\.2/ { print $NF; exit }')

tools=(nothing empty ours-512 ours-64)
[ -z "$jemalloc" ] || tools+=(jemalloc jemalloc-prof)
for tool in heaptrack valgrind; do
    if command -v "$tool" > /dev/null; then tools+=("$tool"); fi
done

declare -A title=(
    [nothing]="nothing" [empty]="an empty library" [ours-512]="seepage, every 512 KiB" [ours-64]="seepage, every 64 KiB"
    [jemalloc]="jemalloc" [jemalloc-prof]="jemalloc, profiling every 512 KiB" [heaptrack]="heaptrack"
    [valgrind]="valgrind massif"
)

# Sets `words` to the command line of a program under a tool.
under() {
    local tool=$1
    shift
    case $tool in
    nothing) words=("$@") ;;
    empty) words=(env "LD_PRELOAD=$scratch/empty.so" "$@") ;;
    ours-512) words=(env SEEPAGE_HEAP_MEAN=524288 "LD_PRELOAD=$scratch/ours.so" "$@") ;;
    ours-64) words=(env SEEPAGE_HEAP_MEAN=65536 "LD_PRELOAD=$scratch/ours.so" "$@") ;;
    jemalloc) words=(env "LD_PRELOAD=$jemalloc" "$@") ;;
    jemalloc-prof) words=(env "MALLOC_CONF=prof:true,lg_prof_sample:19" "LD_PRELOAD=$jemalloc" "$@") ;;
    heaptrack) words=(heaptrack --raw -o "$scratch/heaptrack" "$@") ;;
    # What brings jemalloc with it is traced there.
    valgrind)
        words=(valgrind -q --tool=massif --massif-out-file=/dev/null "--soname-synonyms=somalloc=libjemalloc*" "$@")
        ;;
    esac
}

# How much of a load a tool is given: slow ones less of it.
share() {
    case $1 in
    heaptrack) echo $(($2 / 2)) ;;
    valgrind) echo $(($2 / 10)) ;;
    *) echo "$2" ;;
    esac
}

# Appends the two numbers on standard input, a cost and anonymous KiB, to what is known of a load under a tool.
note() {
    local load=$1 tool=$2 cost memory
    read -r cost memory
    echo "$cost" >> "$scratch/$load.$tool.cost"
    echo "$memory" >> "$scratch/$load.$tool.memory"
}

churn() {
    local load=$1 tool=$2 live=$3 threads=$4 pairs
    pairs=$(share "$tool" "$5")
    under "$tool" "$scratch/churn" "$live" "$threads" "$pairs"
    # heaptrack says more on standard output.
    "${words[@]}" | grep -E '^[0-9.]+ [0-9]+$' | note "$load" "$tool"
}

# Seconds of CPU, and anonymous memory: of heaptrack with its second process.
python_worker() {
    local tool=$1 cpu memory
    under "$tool" /usr/bin/python3 benches/heap/worker.py
    # Not within `words`: neither heaptrack nor valgrind follows from one program to the next.
    cpu=$({ time PYTHONMALLOC=malloc "${words[@]}" > "$scratch/out" 2> /dev/null; } 2>&1 | awk 'END { print $1 + $2 }')
    memory=$(grep -E '^[0-9]+$' "$scratch/out")
    echo "$cpu $memory" | note python "$tool"
}

# Clock ticks of CPU of a process, and KiB of its anonymous memory.
ticks() {
    sed 's/.*) //' "/proc/$1/stat" |
        awk -v memory="$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status")" '{ print $12 + $13, memory }'
}

# Notes what a server took for so many requests, and ends it.
served() {
    local load=$1 tool=$2 requests=$3 before=$4 after memory
    read -r after memory <<< "$(ticks "$server")"
    kill "$server"
    wait "$job" || true
    server=
    awk -v ticks=$((after - before)) -v n="$requests" -v memory="$memory" 'BEGIN { print ticks / n, memory }' |
        note "$load" "$tool"
}

# Starts a server in a session of its own: Apache ends its whole process group, which must not be ours.
serve() {
    local tool=$1 pid_file=$2
    shift 2
    rm -f "$pid_file"
    under "$tool" "$@"
    setsid "${words[@]}" > /dev/null 2>&1 &
    job=$!
    until [ -s "$pid_file" ]; do
        kill -0 "$job"
        sleep 0.1
    done
    server=$(cat "$pid_file")
}

redis() {
    local tool=$1 before requests socket=$scratch/redis.sock
    requests=$(share "$tool" 400000)
    rm -f "$socket"
    serve "$tool" "$scratch/redis.pid" redis-server --port 0 --unixsocket "$socket" --pidfile "$scratch/redis.pid" \
        --save "" --dir "$scratch"
    until [ -S "$socket" ]; do sleep 0.1; done
    read -r before _ <<< "$(ticks "$server")"
    redis-benchmark -s "$socket" -t set,get -n "$requests" -r 50000 -d 200 -P 8 -q > /dev/null
    served redis "$tool" "$requests" "$before"
}

# One process, without children: heaptrack doesn't follow them.
apache() {
    local tool=$1 port=$((20000 + RANDOM % 10000)) before requests
    requests=$(share "$tool" 60000)
    export MODE=none WORK_DIR=$scratch/apache PORT=$port CHILDREN=1 THREADS=8 CONNECTIONS_PER_CHILD=0
    serve "$tool" "$WORK_DIR/httpd.pid" /usr/sbin/apache2 -X -f "$PWD/examples/apache/httpd.conf"
    until curl -s -o /dev/null "http://127.0.0.1:$port/"; do sleep 0.1; done
    ab -q -k -n 500 -p "$scratch/body" "http://127.0.0.1:$port/upload" > /dev/null
    read -r before _ <<< "$(ticks "$server")"
    ab -q -k -n "$requests" -p "$scratch/body" "http://127.0.0.1:$port/upload" > /dev/null
    served apache "$tool" "$requests" "$before"
}

with_apache=
if [ -x /usr/sbin/apache2 ] && command -v apxs ab curl > /dev/null; then
    with_apache=1
    examples/apache/build.sh "$scratch/apache"
    head -c 16384 /dev/urandom > "$scratch/body"
fi
with_redis=
if command -v redis-server redis-benchmark > /dev/null; then with_redis=1; fi

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for tool in "${tools[@]}"; do
        # What costs ten times as much needs no seven rounds to show it.
        case $tool in heaptrack | valgrind) if [ "$round" -gt 3 ]; then continue; fi ;; esac
        churn tight "$tool" 64 1 4000000
        churn set-1 "$tool" 100000 1 1000000
        churn set-2 "$tool" 100000 2 500000
        churn set-8 "$tool" 100000 8 125000
        python_worker "$tool"
        [ -z "$with_apache" ] || apache "$tool"
        # redis has jemalloc inside.
        if [ -n "$with_redis" ] && [ "$tool" != jemalloc ]; then redis "$tool"; fi
    done
done

median() {
    sort -g "$1" | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

# A table of ratios (or, of memory, differences in MiB) to nothing.
table() {
    local what=$1 tool load value base
    shift
    printf '| %s |' "$what" && printf ' %s |' "$@" && echo
    echo "|---|$(printf -- '---|%.0s' "$@")"
    for tool in "${tools[@]}"; do
        printf '| %s |' "${title[$tool]}"
        for load in "$@"; do
            if [ ! -e "$scratch/$load.$tool.$what" ]; then
                printf ' |'
                continue
            fi
            value=$(median "$scratch/$load.$tool.$what")
            base=$(median "$scratch/$load.nothing.$what")
            if [ "$what" = cost ]; then
                awk -v v="$value" -v b="$base" 'BEGIN { printf " %.2f |", v / b }'
            else
                awk -v v="$value" -v b="$base" 'BEGIN { printf " %+.2f |", (v - b) / 1024 }'
            fi
        done
        echo
    done
}

loads=(tight set-1 set-2 set-8 python)
[ -z "$with_apache" ] || loads+=(apache)
[ -z "$with_redis" ] || loads+=(redis)
echo "CPU, as a multiple of nothing's; median of $rounds rounds"
table cost "${loads[@]}"
echo
echo "Anonymous memory beyond nothing's, in MiB"
table memory "${loads[@]}"
echo
echo "nothing: $(median "$scratch/tight.nothing.cost") ns per pair of the tight loop, $(median "$scratch/set-1.nothing.cost") ns of set-1"
