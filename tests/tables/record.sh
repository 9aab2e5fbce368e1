#!/bin/sh
# Records what tools print of a process that leaks 1 MiB/s, and of one that does not, for the tests of `seepage analyze`.
#
#   tests/tables/record.sh [SECONDS]
#
# Needs, on Debian: sysstat procps smem collectd-core prometheus python3-venv sqlite3; the profilers and locust come from Python's
# registry into a scratch directory. What is missing is told and left out. Names of the machine are taken out of what is kept.
set -eu
cd "$(dirname "$0")"
here=$PWD
seconds=${1:-40}
work=$(mktemp -d)
trap 'kill $recorders $leaky $clean 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
recorders='' leaky='' clean=''
export LC_ALL=C TZ=UTC

cat > "$work/leaky.py" <<'PYTHON'
import sys, time
kept = []
step = int(sys.argv[1])
for _ in range(10 * int(sys.argv[2])):
    kept.append(b"x" * step)
    time.sleep(0.1)
PYTHON
cat > "$work/parent.py" <<'PYTHON'
import subprocess, sys
children = [subprocess.Popen([sys.executable, "leaky.py", step, sys.argv[1]]) for step in ("104858", "1")]
for child in children:
    child.wait()
PYTHON
cd "$work"
python=/usr/bin/python3
$python leaky.py 104858 $((seconds + 40)) & leaky=$!
$python leaky.py 1 $((seconds + 40)) & clean=$!
sleep 1

has() {
    command -v "$1" > /dev/null || { echo "left out, for want of it: $1" >&2; return 1; }
}
# Runs a command in the background, its output in a file.
into() {
    file=$1; shift
    "$@" > "$work/$file" 2> /dev/null & recorders="$recorders $!"
}
each_second() {
    i=0
    while [ $i -lt "$seconds" ]; do sh -c "$1"; sleep 1; i=$((i + 1)); done
}

if has pidstat; then
    into pidstat-r.txt pidstat -r -p "$leaky,$clean" 1 "$seconds"
    into pidstat-h.txt pidstat -r -u -h -p "$leaky,$clean" 1 "$seconds"
    into pidstat-H.txt pidstat -r -h -H -l -p "$leaky,$clean" 1 "$seconds"
    into pidstat-ru.txt pidstat -r -u -p "$leaky,$clean" 1 "$seconds"
    into pidstat-human.txt pidstat -r --human -p "$leaky,$clean" 1 "$seconds"
    into sar-r.txt sar -r 1 "$seconds"
fi
has vmstat && into vmstat-t.txt vmstat -t 1 "$seconds"
has smem && into smem.txt each_second 'date; smem -t -P "[l]eaky.py [0-9]"'
into status.txt each_second "date +%s; grep -E '^(VmRSS|RssAnon|VmSwap|Threads)' /proc/$leaky/status /proc/$clean/status"
seconds_were=$seconds; seconds=3
into status-all.txt each_second "date; cat /proc/$leaky/status /proc/$clean/status"
into smaps.txt each_second "date; grep -E '^([0-9a-f]+-|(Rss|Anonymous|Swap):)' /proc/$leaky/smaps"
seconds=$seconds_were
into status-line.txt each_second "echo \$(date '+%F %T') \$(grep VmRSS /proc/$leaky/status)"
into rollup.txt each_second "date; grep -E '^([0-9a-f]+-|(Rss|Anonymous|Swap):)' /proc/$leaky/smaps_rollup"

if $python -m venv venv && venv/bin/pip install -q psrecord memory_profiler procpath setuptools; then
    into log venv/bin/psrecord "$leaky" --interval 1 --duration "$seconds" --log psrecord.txt
    into log venv/bin/psrecord "$leaky" --interval 1 --duration "$seconds" --log psrecord.csv --log-format csv
    into log venv/bin/mprof run -T 1 -M -o mprof-M.dat $python parent.py "$seconds"
    into log venv/bin/mprof run -T 1 -o mprof.dat $python leaky.py 104858 "$seconds"
    into log venv/bin/procpath record -i 1 -r "$seconds" -d procpath.sqlite -p "$leaky,$clean"
else
    echo "left out: psrecord, mprof, procpath" >&2
fi

if has collectd; then
    cat > collectd.conf <<CONF
Interval 1
BaseDir "$work"
LoadPlugin csv
LoadPlugin processes
<Plugin csv>
  DataDir "$work/collectd"
</Plugin>
<Plugin processes>
  ProcessMatch "leaky" "leaky.py 104858 $((seconds + 40))"
</Plugin>
CONF
    into log collectd -f -C collectd.conf
fi
if [ -d venv ] && venv/bin/pip install -q locust; then
    printf 'from locust import HttpUser, task\nclass User(HttpUser):\n    @task\n    def get(self): self.client.get("/")\n' > locustfile.py
    mkdir empty
    into log $python -m http.server 18080 --bind 127.0.0.1 --directory empty
    into log venv/bin/locust -f locustfile.py --headless -u 2 -r 2 -t 10s --host http://127.0.0.1:18080 --csv locust
fi

if has prometheus; then
    printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:19090"]}]}]\n' > prometheus.yml
    into log prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:19090
fi

# Prometheus and the tools with `into` end by themselves or here.
sleep $((seconds + 8))
# shellcheck disable=SC2086  # a list of PIDs
kill $recorders 2> /dev/null || true
# shellcheck disable=SC2086
wait $recorders 2> /dev/null || true

if [ -d tsdb ]; then
    promtool tsdb dump tsdb | grep -E '^\{__name__="(process_(resident_memory_bytes|start_time_seconds|open_fds|cpu_seconds_total)|go_(goroutines|info|gc_duration_seconds))"' > promtool.txt || true
fi
if [ -f procpath.sqlite ]; then
    # The command that `seepage analyze` names when it is given the database.
    sqlite3 -header -csv procpath.sqlite "SELECT ts AS timestamp, stat_pid AS pid, stat_starttime AS start, stat_rss * (SELECT value FROM meta WHERE key = 'page_size') AS rss_bytes, stat_num_threads AS threads FROM record ORDER BY ts" |
        grep -E "^(timestamp|[0-9.]+,($leaky|$clean),)" > procpath.csv
fi
rm -f locust_stats.csv locust_failures.csv locust_exceptions.csv
for file in collectd/*/processes-leaky/ps_rss-*; do
    # Its test gives it the name that says what it is.
    [ -f "$file" ] && cp "$file" collectd-ps_rss.csv
done
host=$(uname -n)
for file in *.txt *.csv *.dat; do
    [ -s "$file" ] && sed -e "s/$(uname -r)/6.1.0/g" -e "s/$host/host/g" -e "s#[^ \"]*/python3#python3#g" -e "s#$work/##g" "$file" > "$here/$file"
done
ls -l "$here"
