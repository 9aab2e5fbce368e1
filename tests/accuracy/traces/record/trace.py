"""Makes a trace of a run directory: the memory of all its workers summed up, against the requests they served together.

    trace.py RUN [--settled] > NAME.csv     # --settled: only the levels at the end of each pause of the load
"""

import bisect
import csv
import json
import pathlib
import sys

ROWS = 300
RECENT = 1.0
SUMMED = ["rss_kib", "anon_kib", "swap_kib", "fds", "threads"]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def readings(run):
    """The readings of each worker, in the order of time."""
    workers = {}
    with open(run / "samples.csv") as table:
        for row in csv.DictReader(table):
            reading = {name: int(value) for name, value in row.items() if value and name != "elapsed_s"}
            reading["t"] = float(row["elapsed_s"])
            if "anon_kib" in reading and "file_kib" in reading:
                reading["rss_kib"] = reading["anon_kib"] + reading["file_kib"] + reading["shmem_kib"]
                workers.setdefault((row["pid"], row["start"]), []).append(reading)
    return list(workers.values())


def sent(run):
    """What the driver had sent at a time."""
    known = [(line["t"], line["requests"]) for line in lines(run / "host.jsonl")]

    def at(t):
        place = bisect.bisect(known, (t,))
        if place in (0, len(known)):
            return known[max(place - 1, 0)][1]
        (t0, n0), (t1, n1) = known[place - 1 : place + 1]
        return round(n0 + (n1 - n0) * (t - t0) / (t1 - t0))

    return at


def settled(run):
    """The end of each pause after which the target had collected."""
    times, collected = [], False
    for line in lines(run / "events.jsonl"):
        event = line["event"]
        if event == "collected":
            collected = True
        elif collected and ("phase" in event or event == "stopping"):
            times.append(line["t"] - 0.05)
            collected = False
    return times


def main(run, *options):
    run = pathlib.Path(run)
    workers, at = readings(run), sent(run)
    starts, end = [worker[0]["t"] for worker in workers], max(worker[-1]["t"] for worker in workers)
    begin = min(starts) + 0.5
    times = settled(run) if "--settled" in options else [begin + (end - begin) * n / (ROWS - 1) for n in range(ROWS)]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["elapsed_s", "requests", *SUMMED, "procs"])
    for t in times:
        # The last reading of each worker that has begun; of those that have ended, only what they served counts.
        last = [worker[place - 1] for worker in workers if (place := bisect.bisect(worker, t, key=lambda r: r["t"]))]
        alive = [reading for reading in last if t - reading["t"] <= RECENT]
        counted = all("requests" in reading for reading in last)
        requests = sum(reading["requests"] for reading in last) if counted else at(t)
        sums = [sum(reading[name] for reading in alive) for name in SUMMED]
        table.writerow([f"{t:.2f}", requests, *sums, len(alive)])


main(*sys.argv[1:])
