#!/bin/sh
# Installs what the tests need, checks form, lints and licences, builds, and runs every test. The last line counts the
# tests; the exit code is 0 only if all checks and all tests passed.
#
#     scripts/test.sh
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
    echo "==> tests: cargo test $*"
    { cargo test --no-fail-fast "$@" 2>&1 || echo "==> cargo test failed"; } | tee -a "$log"
}

if ! scripts/setup-tests.sh; then
    echo "==> the set-up failed"
    echo "0 passed, 0 failed"
    exit 1
fi

step "form" cargo fmt --all --check
step "form of the preload library" rustfmt --edition 2024 --check preload/lib.rs
step "lints of the preload library" clippy-driver --edition 2024 --crate-name seepage_heap --crate-type cdylib -Cpanic=abort \
    -Dwarnings preload/lib.rs --emit metadata -o "$log.rmeta"
step "lints" cargo clippy --quiet --all-targets -- --deny warnings
# Known vulnerabilities change by the day and need the network: run "cargo deny check advisories" where that's wanted.
step "scripts" shellcheck scripts/*.sh benches/*.sh tests/accuracy/traces/record/*.sh tests/accuracy/traces/record/services/*.sh
step "licences" cargo deny check licenses bans sources
step "build" cargo build --quiet --all-targets

tests --quiet --lib --bins
tests --quiet --doc
# End-to-end tests drive servers and measure them, and wait for most of the time: a few at a time, so that they don't disturb
# one another.
cores=$(nproc)
tests --test '*' -- --test-threads="$((cores < 3 ? cores + 1 : 4))"

if grep -q '^==> cargo test failed' "$log"; then
    broken="$broken, tests"
fi
if [ -n "$broken" ]; then
    echo "==> failed: ${broken#, }"
fi
sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$log" |
    awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed }'
[ -z "$broken" ]
