"""A worker in Python for benches/heap.sh: parses and writes JSON so many times, keeps a cache. Prints its anonymous memory in KiB."""

import json
import sys

cache = {}
for n in range(int(sys.argv[1])):
    text = json.dumps({"id": n, "rows": [{"name": f"row {m}", "value": m / 7} for m in range(20)]})
    cache[n % 500] = json.loads(text)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("RssAnon")))
