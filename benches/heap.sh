#!/bin/bash
# What the preload library costs beside other tools, all of them in turn, heaptrack and valgrind once; see docs/heap.md.
# Usage: benches/heap.sh [ROUNDS]; after `cargo build`. Needs cc and python3; what is missing of apache2 (with apxs), ab,
# redis-server, redis-benchmark, heaptrack, valgrind and libjemalloc2 is left out. With a perf that may count, it tells
# instructions too, which don't depend on who else uses the machine. Prints Markdown tables.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9}
# shellcheck disable=SC2012 # names of cargo's own making
ours=$(ls -t "$PWD/${CARGO_TARGET_DIR:-target}"/*/build/seepage-*/out/libseepage_heap.so | head -n 1)
scratch=$(mktemp -d)
chmod 755 "$scratch"
server=
job=
words=()
trap '[ -z "$server" ] || kill "$server"; rm -rf "$scratch"' EXIT
TIMEFORMAT='%U %S'
cc -O2 -pthread -fno-builtin -o "$scratch/churn" benches/heap/churn.c
cc -O2 -shared -fPIC -o "$scratch/empty.so" benches/heap/empty.c
cp "$ours" "$scratch/ours.so"
jemalloc=$(ldconfig -p | awk '/libjemalloc\.so\.2/ { print $NF; exit }')

fast=(nothing empty ours-none ours-512 ours-64)
[ -z "$jemalloc" ] || fast+=(jemalloc jemalloc-prof)
all=("${fast[@]}")
for tool in heaptrack valgrind; do
    if command -v "$tool" > /dev/null; then all+=("$tool"); fi
done

declare -A title=(
    [nothing]="nothing" [empty]="an empty library" [ours-none]="seepage, counts alone"
    [ours-512]="seepage, every 512 KiB" [ours-64]="seepage, every 64 KiB"
    [jemalloc]="jemalloc" [jemalloc-prof]="jemalloc, profiling every 512 KiB" [heaptrack]="heaptrack"
    [valgrind]="valgrind massif"
)

with_perf=
if perf stat -x, -e instructions:u -o "$scratch/perf" true 2> /dev/null && grep -q '^[0-9]' "$scratch/perf"; then
    with_perf=1
fi

# Runs a program and counts its instructions.
counted() {
    if [ -n "$with_perf" ]; then
        perf stat -x, -e instructions:u -o "$scratch/perf" "$@"
    else
        "$@"
    fi
}

# Sets `words` to the command line of a program under a tool.
under() {
    local tool=$1
    shift
    case $tool in
    nothing) words=("$@") ;;
    empty) words=(env "LD_PRELOAD=$scratch/empty.so" "$@") ;;
    ours-none) words=(env SEEPAGE_HEAP_MEAN=1000000000000 "LD_PRELOAD=$scratch/ours.so" "$@") ;;
    ours-512) words=(env SEEPAGE_HEAP_MEAN=524288 "LD_PRELOAD=$scratch/ours.so" "$@") ;;
    ours-64) words=(env SEEPAGE_HEAP_MEAN=65536 "LD_PRELOAD=$scratch/ours.so" "$@") ;;
    jemalloc) words=(env "LD_PRELOAD=$jemalloc" "$@") ;;
    jemalloc-prof) words=(env "MALLOC_CONF=prof:true,lg_prof_sample:19" "LD_PRELOAD=$jemalloc" "$@") ;;
    heaptrack) words=(heaptrack --raw -o "$scratch/heaptrack" "$@") ;;
    # What brings jemalloc with it is traced there.
    valgrind)
        words=(valgrind -q --tool=massif --massif-out-file=/dev/null "--soname-synonyms=somalloc=libjemalloc*" "$@")
        ;;
    esac
}

# How much of a load a tool is given: slow ones less of it.
share() {
    case $1 in
    heaptrack) echo $(($2 / 4)) ;;
    valgrind) echo $(($2 / 16)) ;;
    *) echo "$2" ;;
    esac
}

# Appends the numbers on standard input, a cost and anonymous KiB, to what is known of a load under a tool, and the
# instructions that perf has just counted, in parts of that size.
note() {
    local load=$1 tool=$2 parts=$3 cost memory
    read -r cost memory
    echo "$cost" >> "$scratch/$load.$tool.cost"
    echo "$memory" >> "$scratch/$load.$tool.memory"
    [ -z "$with_perf" ] ||
        awk -F, -v parts="$parts" '/instructions/ { printf "%.3f\n", $1 / parts }' "$scratch/perf" \
            >> "$scratch/$load.$tool.instructions"
}

# Rounds are so long that the library has found the mean that holds its rate of samples.
churn() {
    local load=$1 tool=$2 live=$3 threads=$4 pairs
    pairs=$(share "$tool" "$5")
    under "$tool" "$scratch/churn" "$live" "$threads" "$pairs"
    # heaptrack says more on standard output.
    counted "${words[@]}" | grep -E '^[0-9.]+ [0-9]+$' | note "$load" "$tool" $((4 * threads * pairs))
}

# Seconds of CPU, and anonymous memory: of heaptrack with its second process.
python_worker() {
    local tool=$1 cpu memory rows=40000
    case $tool in heaptrack | valgrind) rows=10000 ;; esac
    under "$tool" /usr/bin/python3 benches/heap/worker.py "$rows"
    # Not within `words`: valgrind and heaptrack follow the program that they start, and no other.
    cpu=$({ time PYTHONMALLOC=malloc counted "${words[@]}" > "$scratch/out" 2> /dev/null; } 2>&1 |
        awk 'END { print $1 + $2 }')
    memory=$(grep -E '^[0-9]+$' "$scratch/out")
    awk -v cpu="$cpu" -v rows="$rows" -v memory="$memory" 'BEGIN { print 1000 * cpu / rows, memory }' |
        note python "$tool" "$rows"
}

# Runs a load and counts the instructions of the server.
serving() {
    if [ -n "$with_perf" ]; then
        perf stat -x, -e instructions:u -o "$scratch/perf" -p "$server" "$@"
    else
        "$@"
    fi
}

# Clock ticks of CPU of a process, and KiB of its anonymous memory.
ticks() {
    sed 's/.*) //' "/proc/$1/stat" |
        awk -v memory="$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status")" '{ print $12 + $13, memory }'
}

# Notes what a server took for so many requests, and ends it.
served() {
    local load=$1 tool=$2 requests=$3 before=$4 after memory
    read -r after memory <<< "$(ticks "$server")"
    kill "$server"
    wait "$job" || true
    server=
    awk -v ticks=$((after - before)) -v n="$requests" -v memory="$memory" 'BEGIN { print ticks / n, memory }' |
        note "$load" "$tool" "$requests"
}

# Starts a server in a session of its own: Apache ends its whole process group, which must not be ours.
serve() {
    local tool=$1 pid_file=$2
    shift 2
    rm -f "$pid_file"
    under "$tool" "$@"
    setsid "${words[@]}" > /dev/null 2>&1 &
    job=$!
    until [ -s "$pid_file" ]; do
        kill -0 "$job"
        sleep 0.1
    done
    server=$(cat "$pid_file")
}

redis() {
    local tool=$1 before requests socket=$scratch/redis.sock
    requests=$(share "$tool" 400000)
    rm -f "$socket"
    serve "$tool" "$scratch/redis.pid" redis-server --port 0 --unixsocket "$socket" --pidfile "$scratch/redis.pid" \
        --save "" --dir "$scratch"
    until [ -S "$socket" ]; do sleep 0.1; done
    read -r before _ <<< "$(ticks "$server")"
    serving redis-benchmark -s "$socket" -t set,get -n "$requests" -r 50000 -d 200 -P 8 -q > /dev/null
    served redis "$tool" "$requests" "$before"
}

# One process, without children: heaptrack doesn't follow them.
apache() {
    local tool=$1 port=$((20000 + RANDOM % 10000)) before requests
    requests=$(share "$tool" 60000)
    export MODE=none WORK_DIR=$scratch/apache PORT=$port CHILDREN=1 THREADS=8 CONNECTIONS_PER_CHILD=0
    serve "$tool" "$WORK_DIR/httpd.pid" /usr/sbin/apache2 -X -f "$PWD/examples/apache/httpd.conf"
    until curl -s -o /dev/null "http://127.0.0.1:$port/"; do sleep 0.1; done
    ab -q -k -n 500 -p "$scratch/body" "http://127.0.0.1:$port/upload" > /dev/null
    read -r before _ <<< "$(ticks "$server")"
    serving ab -q -k -n "$requests" -p "$scratch/body" "http://127.0.0.1:$port/upload" > /dev/null
    served apache "$tool" "$requests" "$before"
}

with_apache=
if [ -x /usr/sbin/apache2 ] && command -v apxs ab curl > /dev/null; then
    with_apache=1
    examples/apache/build.sh "$scratch/apache"
    head -c 16384 /dev/urandom > "$scratch/body"
fi
with_redis=
if command -v redis-server redis-benchmark > /dev/null; then with_redis=1; fi

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    tools=("${all[@]}")
    # What costs many times as much needs no second look.
    [ "$round" = 1 ] || tools=("${fast[@]}")
    for tool in "${tools[@]}"; do
        churn tight "$tool" 64 1 32000000
        churn set-1 "$tool" 100000 1 8000000
        churn set-2 "$tool" 100000 2 4000000
        churn set-8 "$tool" 100000 8 1000000
        python_worker "$tool"
        [ -z "$with_apache" ] || apache "$tool"
        # redis has jemalloc inside.
        if [ -n "$with_redis" ] && [ "$tool" != jemalloc ]; then redis "$tool"; fi
    done
done

median() {
    sort -g "$1" | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

# What a load costs when others disturb it least.
least() {
    sort -g "$1" | head -n 1
}

# A table of ratios of the least to nothing's; of memory, of differences of medians, in MiB.
table() {
    local what=$1 tool load known none
    shift
    printf '| %s |' "$what" && printf ' %s |' "$@" && echo
    echo "|---|$(printf -- '---|%.0s' "$@")"
    for tool in "${all[@]}"; do
        printf '| %s |' "${title[$tool]}"
        for load in "$@"; do
            known=$scratch/$load.$tool.$what none=$scratch/$load.nothing.$what
            if [ ! -e "$known" ]; then
                printf ' |'
            elif [ "$what" = memory ]; then
                awk -v v="$(median "$known")" -v b="$(median "$none")" 'BEGIN { printf " %+.2f |", (v - b) / 1024 }'
            else
                awk -v v="$(least "$known")" -v b="$(least "$none")" 'BEGIN { printf " %.2f |", v / b }'
            fi
        done
        echo
    done
}

loads=(tight set-1 set-2 set-8 python)
[ -z "$with_apache" ] || loads+=(apache)
[ -z "$with_redis" ] || loads+=(redis)
if [ -n "$with_perf" ]; then
    echo "User instructions, as a multiple of nothing's; least of $rounds rounds"
    table instructions "${loads[@]}"
    echo
fi
echo "CPU time, as a multiple of nothing's; least of $rounds rounds"
table cost "${loads[@]}"
echo
echo "Anonymous memory beyond nothing's, in MiB; median of $rounds rounds"
table memory "${loads[@]}"
echo
echo "nothing: $(least "$scratch/tight.nothing.cost") ns per pair of the tight loop, $(least "$scratch/set-1.nothing.cost") ns of set-1"
