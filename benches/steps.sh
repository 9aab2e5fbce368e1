#!/bin/bash
# How right growth by step is on a real Apache, whose upload module keeps what it keeps: see "Which step leaks" in
# docs/accuracy.md. Usage: benches/steps.sh [RUNS], of each mode; after `cargo build`. Needs apache2 (with apxs) and python3.
# Three runs go on at a time, half a minute each at most. Prints a Markdown table.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-21}
# One of them may not be there.
# shellcheck disable=SC2012 # names of cargo's own making
seepage=$( (ls -t "$PWD/${CARGO_TARGET_DIR:-target}"/{debug,release}/seepage 2> /dev/null || true) | head -n 1)
[ -n "$seepage" ] || { echo "no seepage is built: run \`cargo build\`" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; wait; rm -rf "$scratch"' EXIT
for mode in big malloc abort none; do
    for ((n = 0; n < runs; n++)); do
        "$seepage" run harness-configs/apache-upload.toml --env "MODE=$mode" --quiet --reports "$scratch/$mode" \
            > /dev/null 2>> "$scratch/errors" &
        while [ "$(jobs -pr | wc -l)" -ge 3 ]; do wait -n || true; done
    done
done
while [ -n "$(jobs -pr)" ]; do wait -n || true; done
python3 - "$scratch" << 'END'
import glob, json, statistics, sys

KEPT = {
    "big": {"big-upload": 4112},
    "malloc": {"upload": 4112, "big-upload": 4112, "other requests": 4112},
    "abort": {"other requests": 4112},
    "none": {},
}
print("| mode | runs | intervals | of them miss the truth | innocent steps blamed | median width, B/request |")
print("|---|---|---|---|---|---|")
for mode, kept in KEPT.items():
    rows, runs = [], 0
    for path in glob.glob(f"{sys.argv[1]}/{mode}/*/verdict.json"):
        memory = next(f for f in json.load(open(path))["findings"] if f["resource"] == "memory")
        runs += 1
        for row in (memory.get("steps") or {"rows": []})["rows"]:
            truths = {kept.get(step, 0) for step in row["steps"]}
            # What steps told together keep hangs on their shares, which are not told.
            if len(truths) == 1:
                rows.append((truths.pop(), row["growth"], row["grows"]))
    missed = sum(not growth["lower"] <= truth <= growth["upper"] for truth, growth, _ in rows)
    blamed = sum(grows and truth == 0 for truth, _, grows in rows)
    width = statistics.median(growth["upper"] - growth["lower"] for _, growth, _ in rows) if rows else float("nan")
    print(f"| {mode} | {runs} | {len(rows)} | {missed} | {blamed} | {width:.0f} |")
END
cat "$scratch/errors" >&2
