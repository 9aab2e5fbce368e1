import json
import re
import time

kept = []


def keep(n):
    kept.append(json.loads(json.dumps({"a": list(range(n % 30)), "b": "x" * n})))


def serve(n, depth):
    return serve(n, depth - 1) if depth else keep(n)


for i in range(15000):
    serve(i % 300, i % 8)
    re.sub("x+", "y", "axxb" * 5)
print("ready", flush=True)
time.sleep(600)
