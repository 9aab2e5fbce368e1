#!/bin/bash
# How often clean pools pass, and how often only for what is said of the whole target: each run is judged with and without it.
#
#     cargo build --release && benches/passes.sh 200 20     # runs of the demonstration server, and of each clean Apache mode
#
# A run that doesn't pass is shown with its reason. JOBS run at a time, three if it isn't set; SEEPAGE is another program.
set -eu
cd "$(dirname "$0")/.."
demos=${1:-200} apaches=${2:-20}
exe=${SEEPAGE:-$PWD/target/release/seepage}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
jobs() {
    for i in $(seq "$demos"); do echo "demo $i harness-configs/quickstart-clean.toml"; done
    for mode in churn cow warm none; do
        for i in $(seq "$apaches"); do echo "apache-$mode $i harness-configs/apache-upload.toml --env MODE=$mode"; done
    done
}
one() {
    name=$1
    shift 2
    "$exe" run "$@" --quiet --reports "$out/$name" >/dev/null 2>&1 || true
}
export -f one
export exe out
jobs | xargs -P "${JOBS:-3}" -L 1 bash -c 'one "$@"' one
python3 - "$out" <<'PYTHON'
import collections, json, pathlib, sys

rows, reasons = collections.defaultdict(collections.Counter), []
for file in sorted(pathlib.Path(sys.argv[1]).glob("*/*/verdict.json")):
    verdict = json.loads(file.read_text())
    row = rows[file.parts[-3]]
    row["runs"] += 1
    passes = verdict["verdict"] == "clean"
    clean = all(finding["verdict"] == "clean" for finding in verdict["findings"])
    row["pass"] += passes
    row["pass, were it not for the whole target"] += passes or (clean and verdict["exit_code"] == 11)
    if not passes:
        reasons.append(f"{file.parts[-3]}: {verdict['sentence']}")
for name, row in sorted(rows.items()):
    print(name, dict(row))
print("\n".join(reasons))
PYTHON
