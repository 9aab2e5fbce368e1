#!/bin/sh
# Fuzzes every target in turn, each for so many seconds, on the stable compiler, and prints a table of what was done.
#
#     scripts/fuzz.sh [SECONDS [TARGET...]]        needs `cargo install cargo-fuzz` and a C++ compiler
#
# Logs are left in fuzz/logs/. A finding is left in fuzz/artifacts/ by the fuzzer; the exit code then is 1.
set -u

cd "$(dirname "$0")/.." || exit 1
seconds=${1:-600}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- run_directory table fleet baseline history harness_file http_answer status_page access_log proc_status smaps fault_records java_counters perf_map script_place socket_table proc_stat metric_value

# Without the sanitizer, for which a nightly compiler would be needed: the parsers have no unsafe code.
export RUSTC_BOOTSTRAP=1
logs=fuzz/logs
mkdir -p "$logs"
cargo fuzz build --sanitizer none || exit 1

found=0
printf '| target | seconds | inputs | finding |\n|---|---|---|---|\n'
for target; do
    log=$logs/$target.log
    corpus=$logs/corpus/$target
    mkdir -p "$corpus"
    # New inputs go to the first folder, the seeds stay as they are. Harness files are seeds too.
    seeds=fuzz/corpus/$target
    [ "$target" = harness_file ] && seeds="$seeds harness-configs"
    finding=none
    # shellcheck disable=SC2086 # a list of words
    cargo fuzz run --sanitizer none "$target" "$corpus" $seeds -- -max_total_time="$seconds" -timeout=30 \
        -print_final_stats=1 >"$log" 2>&1 || { finding="see $log"; found=1; }
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    printf "| \`%s\` | %s | %s | %s |\n" "$target" "$seconds" "${inputs:-unknown}" "$finding"
done
exit "$found"
