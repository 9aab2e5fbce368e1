#!/bin/bash
# The load driver beside wrk and oha, on one thread each, against the demonstration server; see docs/driver.md.
# Usage: benches/driver.sh [ROUNDS] [SECONDS]; needs wrk and a release build. oha (`cargo install --locked oha`) is left
# out if it isn't there. Prints a Markdown table.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-7} seconds=${2:-3}
release=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$scratch"' EXIT
TIMEFORMAT='%U %S'
others=(wrk)
if command -v oha > /dev/null; then
    others+=(oha)
else
    echo "oha is not installed and is left out" >&2
fi

# Median, least and greatest of the numbers on standard input.
summary() {
    sort -g | awk '{ x[NR] = $1 } END { m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
        printf "%.4g %.4g %.4g", m, x[1], x[NR] }'
}

# Runs a load generator; appends its requests per second and its CPU microseconds per request to NAME.rate and .cpu.
measure() {
    local name=$1 rate cpu
    shift
    cpu=$({ time "$@" > "$scratch/out"; } 2>&1 | awk 'END { print $1 + $2 }')
    rate=$(sed -nE 's|^ *Requests/sec:[[:space:]]*([0-9.]+).*|\1|p; s|^([0-9]+) requests/s$|\1|p' "$scratch/out")
    echo "$rate" >> "$scratch/$name.rate"
    awk -v cpu="$cpu" -v rate="$rate" -v s="$seconds" 'BEGIN { print cpu / (rate * s) * 1e6 }' >> "$scratch/$name.cpu"
}

# A cell: the median of what was measured of a load generator, in this format.
cell() {
    local value
    read -r value _ <<< "$(summary < "$scratch/$1")"
    # shellcheck disable=SC2059 # the format is ours
    printf " $2 |" "$value"
}

head="| requests | connections |"
for name in "${others[@]}" seepage; do head+=" $name, per second | $name, CPU each |"; done
for name in "${others[@]}"; do head+=" seepage / $name (least, greatest) |"; done
echo "$head"
echo "$head" | sed -E 's/[^|]+/---/g'
for case in "GET 4 0" "GET 16 0" "64-KiB-upload 4 65536" "1-MiB-upload 4 1048576"; do
    read -r title connections size <<< "$case"
    rm -f "$scratch"/*
    "$release/seepage" demo-server --port 0 --workers "$connections" > "$scratch/address" &
    server=$!
    until [ -s "$scratch/address" ]; do sleep 0.1; done
    url="http://$(awk '{ print $3 }' "$scratch/address")/"
    wrk=(wrk -t1 "-c$connections" "-d${seconds}s")
    oha=(oha --worker-threads 1 --no-tui --disable-compression -c "$connections" -z "${seconds}s")
    drive=("$release/examples/drive")
    if [ "$size" -gt 0 ]; then
        url+=upload
        echo "wrk.method = 'POST'; wrk.body = string.rep('x', $size)" > "$scratch/upload.lua"
        head -c "$size" /dev/zero > "$scratch/body"
        wrk+=(-s "$scratch/upload.lua") oha+=(-m POST -D "$scratch/body") drive+=(--upload "$size B")
    fi
    for _ in $(seq "$rounds"); do
        measure wrk "${wrk[@]}" "$url"
        measure seepage "${drive[@]}" "$url" --connections "$connections" --seconds "$seconds"
        if [ "${#others[@]}" -gt 1 ]; then measure oha "${oha[@]}" "$url"; fi
    done
    printf '| %s | %s |' "$title" "$connections"
    for name in "${others[@]}" seepage; do
        cell "$name.rate" %.0f
        cell "$name.cpu" '%.1f µs'
    done
    for name in "${others[@]}"; do
        ratios=$(paste "$scratch/$name.rate" "$scratch/seepage.rate" | awk '{ print $2 / $1 }' | summary)
        read -r ratio least greatest <<< "$ratios"
        printf ' %.2f (%.2f, %.2f) |' "$ratio" "$least" "$greatest"
    done
    echo
    kill "$server"
    wait "$server" || true
    server=
done
