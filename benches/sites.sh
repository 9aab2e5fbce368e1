#!/bin/bash
# What `attach --sites` takes from a target, beside `attach` without it and nothing at all, in pairs: a loop that does nothing but touch
# fresh pages, a loop that does nothing but allocate and free, redis under `SET` of new keys as fast as it can, Apache with a module that
# keeps what is uploaded, and MariaDB under inserts into a table in memory. See docs/cost.md.
# Usage: benches/sites.sh [ROUNDS [TARGET...]], of touching, allocating, setting, uploading and inserting; needs a release build, cc, redis,
# apache2, ab, mariadb-server and sysbench, for the targets that are asked for. Prints a Markdown table: what is done in a second of the
# target's CPU time, so that other work on the machine isn't in it, how long a request takes of which there are slower ones in a hundred
# (p99), and the seconds of CPU time of seepage.
# OTHERS="memleak bpftrace heaptrack" has these take their turns too, and a table of theirs printed. They need tracefs where the kernel says,
# and memleak the kernel's headers (BCC_KERNEL_SOURCE); without OTHERS nothing of that is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9}
shift || true
targets=("$@")
[ $# -gt 0 ] || targets=(touching allocating setting uploading inserting)
read -ra others <<< "${OTHERS:-}"
examples=$PWD/examples/apache
seepage=$(realpath "${CARGO_TARGET_DIR:-target}/release/seepage")
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$scratch"' EXIT
cd "$scratch"
TIMEFORMAT='%U %S'

cat > pages.c <<'END'
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
static double now(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static double touch(double seconds) {
    double pages = 0, before = now(CLOCK_PROCESS_CPUTIME_ID);
    for (double end = now(CLOCK_MONOTONIC) + seconds; now(CLOCK_MONOTONIC) < end; pages += 1024) {
        char *map = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int at = 0; at < 4 << 20; at += 4096) map[at] = 1;
        munmap(map, 4 << 20);
    }
    return pages / (now(CLOCK_PROCESS_CPUTIME_ID) - before);
}
int main(void) { touch(3); printf("%.0f\n", touch(6)); return 0; }
END
cc -O2 -o pages pages.c

# Of a thousand blocks one is kept.
cat > blocks.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double now(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static double allocate(double seconds) {
    static void *volatile blocks[64];
    double pairs = 0, before = now(CLOCK_PROCESS_CPUTIME_ID);
    for (double end = now(CLOCK_MONOTONIC) + seconds; now(CLOCK_MONOTONIC) < end; pairs += 1000) {
        for (int n = 0; n < 1000; n++) {
            free(blocks[n % 64]);
            blocks[n % 64] = malloc(100 + n % 64 * 16);
        }
        blocks[0] = NULL;
    }
    return pairs / (now(CLOCK_PROCESS_CPUTIME_ID) - before);
}
int main(void) { allocate(3); printf("%.0f\n", allocate(6)); return 0; }
END
cc -O2 -o blocks blocks.c
head -c 16384 /dev/urandom > body
"$examples/build.sh" "$scratch"

# Watches PID in the way of $1 in the background, for $3 seconds, with workers $4, and appends its CPU time to WAY.cpu.
watch_it() {
    [ "$1" != nothing ] || return 0
    if [ "$1" != attach ] && [ "$1" != sites ]; then
        other "$@" > other.log 2>&1 &
        return 0
    fi
    local sites=()
    [ "$1" != sites ] || sites=(--sites)
    { time "$seepage" attach --pid "$2" --workers "$4" "${sites[@]}" --for "$3s" --quiet --reports reports > /dev/null 2>&1 || true; } \
        2>&1 | awk '{ print $1 + $2 }' >> "$what.$1.cpu" &
}

# Watches PID, or its children, by another program; one that follows a single process is started for each.
other() {
    local watched=("$2") pid
    [ "$4" = self ] || read -ra watched < "/proc/$2/task/$2/children"
    for pid in "${watched[@]}"; do
        case $1 in
            memleak) timeout -s INT "$3" memleak-bpfcc -p "$pid" 5 & ;;
            bpftrace) timeout -s INT "$3" bpftrace -e "software:page-faults:1 /pid == $pid/ { @[ustack] = count(); }" & ;;
            heaptrack) timeout -s INT "$3" heaptrack --record-only -o "heaptrack.$pid" -p "$pid" & ;;
        esac
    done
    wait
}

# Runs a loop that prints how much it did in a second of its CPU time.
looping() {
    "$2" > out &
    local target=$!
    watch_it "$1" "$target" 9 self
    wait "$target"
    cat out >> "$what.$1.rate"
    wait
}

touching() { looping "$1" ./pages; }

allocating() { looping "$1" ./blocks; }

setting() {
    redis-server --port 7391 --bind 127.0.0.1 --save "" --appendonly no > /dev/null &
    server=$!
    until redis-cli -p 7391 ping > /dev/null 2>&1; do sleep 0.1; done
    watch_it "$1" "$server" 12 self
    local watcher=$!
    sleep 2
    local before after
    before=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
    redis-benchmark -p 7391 -t set -r 100000000 -d 300 -n 500000 -P 4 --csv > out
    after=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
    awk -v ticks=$((after - before)) 'BEGIN { print 500000 / (ticks / 100) }' >> "$what.$1.rate"
    awk -F '","' '/SET/ { print $7 }' out >> "$what.$1.p99"
    end "$1" "$watcher"
}

# CPU time of the server's children, in hundredths of a second.
of_children() { tr ' ' '\n' < "/proc/$server/task/$server/children" | sed '/./!d; s|.*|/proc/&/stat|' | xargs cat | awk '{ sum += $14 + $15 } END { print sum }'; }

# In a session of its own: when it ends, it ends its group.
uploading() {
    MODE=malloc WORK_DIR=$scratch PORT=7392 CHILDREN=4 CONNECTIONS_PER_CHILD=0 setsid /usr/sbin/apache2 -DFOREGROUND -f "$examples/httpd.conf" &
    server=$!
    until ab -q -n 1 http://127.0.0.1:7392/ > /dev/null 2>&1; do sleep 0.1; done
    watch_it "$1" "$server" 12 children
    local watcher=$!
    sleep 2
    local before
    before=$(of_children)
    ab -q -k -c 4 -t 8 -n 10000000 -p body -T application/octet-stream -e served http://127.0.0.1:7392/upload > out 2>&1
    awk -v ticks=$(($(of_children) - before)) '/^Complete requests/ { print $3 / (ticks / 100) }' out >> "$what.$1.rate"
    awk -F , '$1 == 99 { print $2 }' served >> "$what.$1.p99"
    end "$1" "$watcher"
}

# The time of a query of which there are slower ones in a hundred is sysbench's own.
inserting() {
    mariadb-install-db --no-defaults --datadir="$scratch/data" --auth-root-authentication-method=normal --skip-test-db > /dev/null 2>&1
    /usr/sbin/mariadbd --no-defaults --user="$(id -un)" --datadir="$scratch/data" --socket="$scratch/socket" --skip-networking --max-heap-table-size=1G \
        2> mariadbd.log &
    server=$!
    until mariadb-admin --no-defaults -u root -S socket ping > /dev/null 2>&1; do sleep 0.1; done
    mariadb --no-defaults -u root -S socket -e 'create database sbtest'
    local bench=(sysbench oltp_insert --mysql-socket="$scratch/socket" --mysql-user=root --mysql-storage-engine=memory --tables=1
        --table-size=1000 --percentile=99)
    "${bench[@]}" prepare > /dev/null
    watch_it "$1" "$server" 12 self
    local watcher=$!
    sleep 2
    local before after
    before=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
    "${bench[@]}" --time=8 --threads=2 run > out
    after=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
    awk -v ticks=$((after - before)) '$1 == "total:" { print $2 / (ticks / 100); exit }' out >> "$what.$1.rate"
    awk '$1 == "99th" { print $3 }' out >> "$what.$1.p99"
    end "$1" "$watcher"
    rm -r data
}

end() {
    [ "$1" = nothing ] || wait "$2"
    kill "$server"
    wait "$server" || true
    server=
}

# Median, least and greatest of the quotients of two files, line by line.
quotients() {
    paste "$1" "$2" | awk '{ print $1 / $2 }' | sort -g |
        awk '{ x[NR] = $1 } END { m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
            printf "%.3f (%.2f, %.2f)", m, x[1], x[NR] }'
}

median() { sort -g "$1" | awk '{ x[NR] = $1 } END { printf "%.3g", x[int((NR + 1) / 2)] }'; }

ways=(nothing attach sites "${others[@]}")
for ((round = 0; round < rounds; round++)); do
    for what in "${targets[@]}"; do
        for ((n = 0; n < ${#ways[@]}; n++)); do
            "$what" "${ways[(n + round) % ${#ways[@]}]}"
        done
    done
done
echo "| target | a second, alone | attach beside nothing | attach --sites beside attach | p99, alone | p99 of attach beside nothing |" \
    "p99 of attach --sites beside attach | CPU time of attach, s | with --sites, s |"
echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
for what in "${targets[@]}"; do
    [ -e "$what.sites.p99" ] && p99="$(median "$what.nothing.p99") ms | $(quotients "$what.attach.p99" "$what.nothing.p99") |"
    [ -e "$what.sites.p99" ] && p99+=" $(quotients "$what.sites.p99" "$what.attach.p99")" || p99="| |"
    echo "| $what | $(median "$what.nothing.rate") | $(quotients "$what.attach.rate" "$what.nothing.rate") |" \
        "$(quotients "$what.sites.rate" "$what.attach.rate") | $p99 |" \
        "$(median "$what.attach.cpu") | $(median "$what.sites.cpu") |"
done
[ ${#others[@]} -gt 0 ] || exit 0
echo
echo "| target | by | a second, beside nothing | p99 beside nothing |"
echo "|---|---|--:|--:|"
for what in "${targets[@]}"; do
    for way in "${others[@]}"; do
        p99=
        [ ! -e "$what.$way.p99" ] || p99=$(quotients "$what.$way.p99" "$what.nothing.p99")
        echo "| $what | $way | $(quotients "$what.$way.rate" "$what.nothing.rate") | $p99 |"
    done
done
