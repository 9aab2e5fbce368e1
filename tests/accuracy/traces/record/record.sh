#!/bin/bash
# Records traces of real services with seepage: record.sh NAME..., or all without a name; README.md says what each is.
# Each takes some 80 s. Needs a built seepage, npm, python3 with venv, and what scripts/setup-tests.sh installs.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../../.. && pwd)
seepage=${SEEPAGE:-$root/target/release/seepage}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Packages of npm, for the next run only.
npm_packages() {
    mkdir -p "$scratch/npm" && (cd "$scratch/npm" && npm init -y && npm install --no-audit --no-fund "$@") > /dev/null
    export NODE_PATH=$scratch/npm/node_modules
}

# Packages of PyPI, likewise.
python_packages() {
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" --quiet install "$@"
    export PYTHON=$scratch/venv/bin/python
}

# Runs a harness file of this directory, or one of the examples made as long as is needed; the rest are words for
# seepage run, or --settled.
record() {
    local name=$1 file=$2 settled=
    shift 2
    if [ "${1:-}" = --settled ]; then settled=$1 && shift; fi
    # What seepage says of it decides nothing here.
    "$seepage" run "$file" --stop planned --quiet --reports "$scratch/runs" "$@" || true
    # shellcheck disable=SC2086 # nothing, or one word
    python3 trace.py "$scratch"/runs/*/ $settled > "../$name.csv"
    rm -rf "$scratch/runs" "$scratch/npm" "$scratch/venv"
}

# One of harness-configs, with these changes.
longer() {
    local file=$1
    shift
    sed "$@" -e "s|\${harness_dir}|$root/harness-configs|g" "$root/harness-configs/$file" > "$scratch/$file"
    printf '\n[sample]\nevery = "250ms"\n' >> "$scratch/$file"
    echo "$scratch/$file"
}

one() {
    case $1 in
    multer-*) npm_packages express@4.21.2 "multer@${1#multer-}" && record "$1" multer.toml ;;
    sessions-memory) npm_packages express@4.21.2 express-session@1.18.1 && record "$1" sessions.toml --settled ;;
    sessions-memorystore)
        npm_packages express@4.21.2 express-session@1.18.1 memorystore@1.6.7
        STORE=memorystore record "$1" sessions.toml --settled
        ;;
    orjson-*) python_packages "orjson==${1#orjson-}" && PAGE=orjson-refused record "$1" python.toml ;;
    redis-7) record "$1" redis.toml ;;
    mariadb-10.11) record "$1" "$(longer mariadb.toml -e 's/"30s"/"75s"/')" ;;
    mariadb-10.11-forgotten) CONCURRENCY=5 record "$1" "$(longer mariadb.toml -e 's/"30s"/"75s"/')" ;;
    apache-prefork-*)
        record "$1" "$(longer apache-upload.toml -e 's/requests-per-worker = 3000/requests-per-worker = 12000/')" \
            --env "MODE=${1##*-}"
        ;;
    apache-event-*)
        record "$1" "$(longer apache-event.toml -e 's/requests-per-worker = 6000/requests-per-worker = 24000/')" \
            --env "MODE=${1##*-}"
        ;;
    *) echo "record.sh: no trace is called $1" >&2 && exit 1 ;;
    esac
}

if [ $# -eq 0 ]; then
    set -- multer-2.0.2 multer-2.5.0 sessions-memory sessions-memorystore orjson-3.9.0 orjson-3.9.1 redis-7 \
        mariadb-10.11 mariadb-10.11-forgotten apache-prefork-none apache-prefork-abort apache-event-none
fi
for name; do
    echo "$name" >&2
    one "$name"
done
