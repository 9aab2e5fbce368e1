#!/bin/bash
# The load driver beside wrk, on one thread each, against the demonstration server; see docs/driver.md.
# Usage: benches/driver.sh [ROUNDS] [SECONDS]; needs wrk and a release build. Prints a Markdown table.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-7} seconds=${2:-3}
release=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$scratch"' EXIT
TIMEFORMAT='%U %S'

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
    rate=$(sed -nE 's|^Requests/sec: *([0-9.]+).*|\1|p; s|^([0-9]+) requests/s$|\1|p' "$scratch/out")
    echo "$rate" >> "$scratch/$name.rate"
    awk -v cpu="$cpu" -v rate="$rate" -v s="$seconds" 'BEGIN { print cpu / (rate * s) * 1e6 }' >> "$scratch/$name.cpu"
}

echo "| requests | connections | wrk, per second | seepage, per second | ratio (least, greatest) | wrk, CPU each | seepage, CPU each |"
echo "|---|---|---|---|---|---|---|"
for case in "GET 4 0" "GET 16 0" "64-KiB-upload 4 65536" "1-MiB-upload 4 1048576"; do
    read -r name connections size <<< "$case"
    rm -f "$scratch"/*
    "$release/seepage" demo-server --port 0 --workers "$connections" > "$scratch/address" &
    server=$!
    until [ -s "$scratch/address" ]; do sleep 0.1; done
    url="http://$(awk '{ print $3 }' "$scratch/address")/"
    wrk=(wrk -t1 "-c$connections" "-d${seconds}s") drive=("$release/examples/drive")
    if [ "$size" -gt 0 ]; then
        url+=upload
        echo "wrk.method = 'POST'; wrk.body = string.rep('x', $size)" > "$scratch/upload.lua"
        wrk+=(-s "$scratch/upload.lua") drive+=(--upload "$size B")
    fi
    for _ in $(seq "$rounds"); do
        measure wrk "${wrk[@]}" "$url"
        measure drive "${drive[@]}" "$url" --connections "$connections" --seconds "$seconds"
    done
    read -r wrk_rate _ <<< "$(summary < "$scratch/wrk.rate")"
    read -r drive_rate _ <<< "$(summary < "$scratch/drive.rate")"
    read -r wrk_cpu _ <<< "$(summary < "$scratch/wrk.cpu")"
    read -r drive_cpu _ <<< "$(summary < "$scratch/drive.cpu")"
    read -r ratio least greatest <<< "$(paste "$scratch/wrk.rate" "$scratch/drive.rate" | awk '{ print $2 / $1 }' | summary)"
    printf '| %s | %s | %.0f | %.0f | %.2f (%.2f, %.2f) | %.1f µs | %.1f µs |\n' "$name" "$connections" \
        "$wrk_rate" "$drive_rate" "$ratio" "$least" "$greatest" "$wrk_cpu" "$drive_cpu"
    kill "$server"
    wait "$server" || true
    server=
done
