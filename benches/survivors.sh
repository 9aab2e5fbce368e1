#!/bin/bash
# What outlives a run, whoever started it and whatever ended the run; see docs/hostile.md.
# Usage: benches/survivors.sh [TRIALS]; after `cargo build`, or with the program in SEEPAGE. Prints a Markdown table.
# Each trial has a directory and a name of its own, and its processes bear a number that no other has; what is left is killed
# by its process ID.
set -euo pipefail
cd "$(dirname "$0")/.."
trials=${1:-5}
seepage=${SEEPAGE:-$PWD/${CARGO_TARGET_DIR:-target}/debug/seepage}
[[ $seepage == /* ]] || seepage=$PWD/$seepage
families=(target prepare ready collect workload demo-server)
# What is killed, and whether at any time in the first 60 ms or once all is running.
ends=(early-harness early-guard early-both harness guard both interrupt normal)
declare -A title=(
    [early-harness]="kill -9 of the harness in the first 60 ms" [early-guard]="kill -9 of the guard in the first 60 ms"
    [early-both]="kill -9 of both in the first 60 ms" [harness]="kill -9 of the harness" [guard]="kill -9 of the guard"
    [both]="kill -9 of both" [interrupt]="Ctrl-C" [normal]="normal end"
)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# PIDs of the processes with this number; a zombie has no command line. The harness has it only in the name of its file.
living() { pgrep -a -f -- "$1" | grep -v -- "$1.toml" | cut -d' ' -f1 || true; }

groups() { find /sys/fs/cgroup -maxdepth 6 -type d -name "seepage-*-$1-*" 2> /dev/null | wc -l; }
directories() { find "$1" -maxdepth 1 -name 'seepage-*' | wc -l; }

# The harness file of a family whose commands mark their processes with a number; the soak lasts for so long.
harness_file() {
    local family=$1 number=$2 soak=$3
    local stays="[\"sh\", \"-c\", \"trap '' TERM INT HUP; setsid sleep $number & sleep $number & sleep $number\"]"
    # At a normal end it has to come to its end.
    [ "$soak" != 0.2s ] || stays="[\"sh\", \"-c\", \"trap '' TERM INT HUP; setsid sleep $number & sleep $number & sleep 0.1\"]"
    local target='["sleep", "60"]' prepare='["true"]' ready='["true"]' collect='["true"]' workload='["sleep", "60"]'
    case $family in
        target) target="[\"sh\", \"-c\", \"trap '' TERM INT HUP; setsid sleep $number & sleep $number & sleep $number\"]" ;;
        demo-server) target="[\"$seepage\", \"demo-server\", \"--port\", \"\${port}\", \"--access-log\", \"\${work_dir}/$number\"]" ;;
        *) declare "$family=$stays" ;;
    esac
    cat << END
name = "survivors-$number"
[target]
command = $target
workers = "self"
prepare = [$prepare]
ready = { command = $ready, timeout = "60s" }
stop = { grace = "100ms" }
[settle]
collect = { command = $collect }
[workload]
command = $workload
[[phase]]
kind = "settle"
duration = "10ms"
[[phase]]
kind = "soak"
duration = "$soak"
END
}

guard_of() { cat "/proc/$1/task/$1/children" 2> /dev/null || true; }

# One trial; prints how many processes, directories and groups are left, and how many of those two after the next run.
trial() {
    local family=$1 end=$2 number=9$RANDOM$RANDOM$RANDOM place harness soak=60s guard pid
    place=$(mktemp -d "$scratch/XXXXXX")
    [ "$end" != normal ] || soak=0.2s
    harness_file "$family" "$number" "$soak" > "$place/$number.toml"
    TMPDIR=$place setsid "$seepage" run "$place/$number.toml" --quiet --reports "$place/reports" > /dev/null 2>&1 < /dev/null &
    harness=$!
    case $end in
        normal) ;;
        early-*) sleep "0.0$((RANDOM % 6))$((RANDOM % 10))" ;;
        *)
            for _ in {1..1000}; do
                [ "$(living "$number" | wc -l)" -lt 3 ] || break
                sleep 0.02
            done
            sleep "0.0$((RANDOM % 6))$((RANDOM % 10))"
            ;;
    esac
    guard=$(guard_of "$harness")
    # shellcheck disable=SC2086 # perhaps no guard is there yet
    case $end in
        *harness) kill -KILL "$harness" 2> /dev/null || true ;;
        *guard) [ -z "$guard" ] || kill -KILL $guard 2> /dev/null || true ;;
        *both) kill -KILL "$harness" $guard 2> /dev/null || true ;;
        interrupt) kill -INT "$harness" 2> /dev/null || true ;;
    esac
    # A guard that wasn't there yet was not killed, and the run goes on: it is interrupted then.
    [ "$end" != early-guard ] || { sleep 0.2; kill -INT "$harness" 2> /dev/null || true; }
    wait "$harness" 2> /dev/null || true
    local deadline=$((SECONDS + 4))
    while [ "$SECONDS" -lt "$deadline" ]; do
        # With both killed, nobody is left to remove them.
        [ -n "$(living "$number")" ] || { [[ $end != *both ]] && [ "$(directories "$place")" -gt 0 ]; } || break
        sleep 0.02
    done
    local left dirs next=0
    left=$(living "$number" | wc -l)
    dirs=$(($(directories "$place") + $(groups "$number")))
    if [ "$dirs" -gt 0 ]; then
        harness_file none 0 0.2s > "$place/next.toml"
        TMPDIR=$place "$seepage" run "$place/next.toml" --quiet --reports "$place/reports" > /dev/null 2>&1 < /dev/null || true
        next=$(($(directories "$place") + $(groups "$number")))
    fi
    for pid in $(living "$number"); do kill -KILL "$pid" 2> /dev/null || true; done
    rm -rf "$place"
    echo "$left $dirs $next"
}

printf '| the end |'
printf ' %s |' "${families[@]}"
printf ' directories and groups left | after the next run |\n'
printf '|---|%s---|---|\n' "$(printf -- '---|%.0s' "${families[@]}")"
for end in "${ends[@]}"; do
    row="| ${title[$end]} |" dirs=0 next=0
    for family in "${families[@]}"; do
        survived=0
        for ((i = 0; i < trials; i++)); do
            read -r left some after < <(trial "$family" "$end")
            [ "$left" -eq 0 ] || survived=$((survived + 1))
            [ "$some" -eq 0 ] || dirs=$((dirs + 1))
            [ "$after" -eq 0 ] || next=$((next + 1))
        done
        row+=" $survived of $trials |"
    done
    echo "$row $dirs of $((trials * ${#families[@]})) | $next |"
done
