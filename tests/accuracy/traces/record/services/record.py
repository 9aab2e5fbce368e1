"""Records a trace: starts a target, loads it, and reads the memory of its processes, summed up.

    record.py NAME [SECONDS] > NAME.csv     # targets.py says what the names are
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import load
from targets import TARGETS

FIELDS = {"Rss": "rss_kib", "Pss": "pss_kib", "Anonymous": "anon_kib", "Swap": "swap_kib"}


def family(root):
    """A process and its descendants."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def reading(root):
    sums = dict.fromkeys([*FIELDS.values(), "fds", "procs"], 0)
    for process in family(root):
        try:
            lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            sums["fds"] += len(os.listdir(f"/proc/{process}/fd"))
        except OSError:
            continue
        sums["procs"] += 1
        for line in lines:
            name, _, value = line.partition(":")
            if name in FIELDS:
                sums[FIELDS[name]] += int(value.split()[0])
    return sums


class Load:
    """Connections that ask one request after the other, `gap` seconds apart; `pause` is (seconds on, seconds off)."""

    def __init__(self, port, directory, client="Http", connections=2, gap=0.003, pause=None, **options):
        self.count, self.failures, self.over, self.lock = 0, 0, False, threading.Lock()
        self.gap, self.pause, self.begin = gap, pause, time.monotonic()
        self.client = lambda: getattr(load, client)(port=port, directory=directory, **options)
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self):
        client, number = None, 0
        while not self.over:
            if self.pause and (time.monotonic() - self.begin) % sum(self.pause) > self.pause[0]:
                time.sleep(0.05)
                continue
            with self.lock:
                self.count += 1
                number = self.count
            try:
                client = client or self.client()
                client.ask(number)
            except (OSError, ValueError) as error:
                self.failures += 1
                if self.failures in (1, 10, 100):
                    print(f"failure {self.failures}: {error!r}", file=sys.stderr)
                client = None
                time.sleep(0.05)
            time.sleep(self.gap)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join(5)


def wait_for(port, process):
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the target ended with {process.returncode}")
            time.sleep(0.1)
    sys.exit("the target isn't ready")


def main(name, seconds=None):
    target = dict(TARGETS[name])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rows, seconds = target.pop("rows", 300), float(seconds or target.pop("seconds", 75))
    warm, columns = target.pop("warm", 0), target.pop("columns", None)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        words = {"port": port, "dir": directory, "here": pathlib.Path(__file__).parent.resolve()}
        words["envs"] = os.environ.get("ENVS", words["here"] / "env")
        prepare, environment = target.pop("prepare", None), target.pop("env", {})
        environment = os.environ | {key: value.format(**words) for key, value in environment.items()}
        if prepare:
            subprocess.run(prepare.format(**words), shell=True, check=True, stdout=sys.stderr, env=environment)
        command = [word.format(**words) for word in target.pop("command")]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True, cwd=directory)
        try:
            wait_for(port, process)
            if then := target.pop("then", None):
                subprocess.run(then.format(**words), shell=True, check=True, stdout=sys.stderr, env=environment)
            clients = Load(port, directory, **target)
            time.sleep(warm)
            begin = time.monotonic()
            columns = columns or ["requests", "anon_kib", "rss_kib", "pss_kib", "swap_kib", "procs", "fds"]
            print(",".join(["elapsed_s", *columns]))
            for row in range(rows):
                time.sleep(max(0, begin + row * seconds / rows - time.monotonic()))
                sums = reading(process.pid) | {"requests": clients.count}
                print(",".join([f"{time.monotonic() - begin:.2f}", *(str(sums[column]) for column in columns)]), flush=True)
            clients.end()
            print(f"{name}: {clients.count} requests, {clients.failures} failed", file=sys.stderr)
        finally:
            processes = family(process.pid)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            for process_id in processes:
                try:
                    os.kill(process_id, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
            time.sleep(0.2)


main(*sys.argv[1:])
