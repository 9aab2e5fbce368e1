#!/bin/sh
# Tests seepage. The last line counts the tests; the exit code is 0 only if all checks and all tests passed.
#
#     scripts/test.sh           what the CI runs: installs what the tests need, checks form, lints and licences, and runs every test
#     scripts/test.sh --fast    unit tests alone: needs nothing but Rust
#     scripts/test.sh --long    what takes hours: many runs, many trials, fuzzing; its figures go into docs/
set -u

cd "$(dirname "$0")/.." || exit 1
log=$(mktemp)
trap 'rm -f "$log" "$log.rmeta"' EXIT
trap 'exit 130' INT TERM
broken=""

step() {
    name=$1
    shift
    echo "==> $name: $*"
    "$@" || broken="$broken, $name"
}

# Runs tests, shows their output, and keeps it to be counted.
tests() {
    echo "==> tests: cargo $*"
    { cargo "$@" 2>&1 || echo "==> cargo $1 failed"; } | tee -a "$log"
}

# Counts the tests, and ends.
finish() {
    if grep -q '^==> cargo .* failed' "$log"; then
        broken="$broken, tests"
    fi
    if [ -n "$broken" ]; then
        echo "==> failed: ${broken#, }"
    fi
    # The lines of cargo test, and that of cargo-nextest.
    sed -n -e 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' \
        -e 's/^ *Summary .* run: \([0-9]*\) passed.*, \([0-9]*\) failed.*/\1 \2/p' -e t \
        -e 's/^ *Summary .* run: \([0-9]*\) passed.*/\1 0/p' "$log" |
        awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed }'
    [ -z "$broken" ]
    exit
}

case ${1:-} in
"") ;;
--fast)
    tests test --quiet --workspace --lib --bins --no-fail-fast
    finish
    ;;
--long)
    step "build" cargo build --release
    tests test --release --tests -- --ignored
    step "corrupted run directories" env SEEPAGE_CORRUPTED=2400 cargo test --release --test end_to_end corrupted_run
    step "survivors" env SEEPAGE=target/release/seepage benches/survivors.sh 10
    step "passes" benches/passes.sh 200 20
    step "packages" scripts/package.sh
    step "packages in a bare Debian" scripts/try-package.sh
    step "fuzzing" scripts/fuzz.sh 600
    finish
    ;;
*)
    echo "test.sh: unknown argument $1; see the head of this file" >&2
    exit 2
    ;;
esac

if ! scripts/setup-tests.sh; then
    echo "==> the set-up failed"
    echo "0 passed, 0 failed"
    exit 1
fi

step "form" cargo fmt --all --check
step "form of the preload library" rustfmt --edition 2024 --check preload/lib.rs
step "lints of the preload library" clippy-driver --edition 2024 --crate-name seepage_heap --crate-type cdylib -Cpanic=abort \
    -Dwarnings preload/lib.rs --emit metadata -o "$log.rmeta"
step "lints" cargo clippy --quiet --workspace --all-targets -- --deny warnings
step "lints of the ablation" cargo clippy --quiet --features ablation --example ablation -- --deny warnings
# Known vulnerabilities change by the day and need the network: run "cargo deny check advisories" where that's wanted.
step "scripts" shellcheck scripts/*.sh benches/*.sh tests/tables/*.sh tests/accuracy/traces/record/*.sh tests/accuracy/traces/record/services/*.sh
step "licences" cargo deny check licenses bans sources
step "build" cargo build --quiet --workspace --all-targets

tests test --quiet --workspace --doc
# Each test is a process of its own, and the programs of all are run at once: .config/nextest.toml says how many.
tests nextest run --workspace
finish
