"""A threaded http.server whose pages use a library: service.py PORT PAGE.

    service.py --rate PAGE N        # instead: what one call keeps, without a server
"""

import gc
import io
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def msgpack_key():
    """A map whose key isn't allowed: its value leaks before 1.2.3 (CVE-2026-114613)."""
    import msgpack

    data = msgpack.packb({7: "v" * 120})

    def page():
        try:
            return str(msgpack.unpackb(data))
        except ValueError as error:
            return str(error)

    return page


def multidict_headers():
    """Headers copied to a CIMultiDict one by one: the keys leak in 6.3.0 to 6.3.2 (issue 1131)."""
    from multidict import CIMultiDict

    def page():
        headers = CIMultiDict({"Host": "a", "Accept": "b"})
        result = CIMultiDict()
        for key, value in headers.items():
            result.add(key, value)
        return str(len(result))

    return page


def hiredis_map():
    """A hash as RESP3 sends it: the values of the map leak before 3.1.0 (issue 175)."""
    import hiredis

    pairs = b"".join(b"$4\r\nkey%d\r\n$20\r\n%020d\r\n" % (n, n) for n in range(3))

    def page():
        reader = hiredis.Reader()
        reader.feed(b"%3\r\n" + pairs)
        return str(len(reader.gets()))

    return page


def numpy_fill():
    """An array of objects filled with a float leaks that float in 1.24.0 (pull request 22798)."""
    import numpy

    state = {"n": 0}

    def page():
        state["n"] += 1
        array = numpy.empty(100, dtype=object)
        array.fill(state["n"] * 0.5)
        return str(array.sum())

    return page


def pydantic_adapter():
    """A TypeAdapter made for each request, of a model that refers to itself: leaks in 2.5.0 to 2.5.2 (issue 8397)."""
    from pydantic import BaseModel, TypeAdapter

    class Leaf(BaseModel):
        pass

    class Node(BaseModel):
        children: list["Node"]
        leaf: Leaf

    def page():
        return str(len(TypeAdapter(list[Node]).validate_python([{"children": [], "leaf": Leaf()}])))

    return page


def pydantic_iterable():
    """A field of Iterable: what is iterated over leaks (issue 9243)."""
    from collections.abc import Iterable

    from pydantic import BaseModel

    class Trace(BaseModel):
        elements: Iterable[int]

    return lambda: str(sum(Trace(elements=[1, 2, 3]).elements))


def cbor2_long():
    """A text of more than 64 KiB: its chunks leak before 5.7.1 (CVE-2025-64076)."""
    import cbor2

    data = cbor2.dumps("t" * 70000)
    return lambda: str(len(cbor2.loads(data)))


def lxml_clean():
    """A comment cleaned of what is dangerous: lxml.html.clean leaks before 4.9.3, as its changelog says."""
    from lxml.html.clean import Cleaner

    cleaner = Cleaner()
    return lambda: cleaner.clean_html("<div><script>x()</script><a href='javascript:y()' onclick='z()'>hello</a></div>")


def selectolax_matches():
    """A test with a selector leaks its parsed form before 0.3.18 (issue 107)."""
    from selectolax.lexbor import LexborHTMLParser

    document = LexborHTMLParser("<div><p>a</p></div>")
    return lambda: str(document.css_matches("div"))


def pendulum_bad():
    """A date that can't be parsed leaks in 2.1.0 to 2.1.2 (issue 720)."""
    import pendulum

    def page():
        try:
            return str(pendulum.parse("2015-12-1234-xx"))
        except Exception as error:
            return str(error)[:50]

    return page


def lru():
    """A cache of at most 20000 pages."""
    import functools
    import random

    @functools.lru_cache(20000)
    def render(number):
        return f"page {number} " * 40

    return lambda: render(int(random.expovariate(1 / 15000)))


def lru_unbounded():
    """functools.cache on what comes from the request, as it is warned of."""
    import functools

    state = {"n": 0}

    @functools.cache
    def render(number):
        return f"page {number} " * 4

    def page():
        state["n"] += 1
        return render(state["n"])

    return page


def churn():
    """Parses and makes JSON of changing sizes; nothing is kept, but malloc's heap wanders."""
    import json
    import random

    def page():
        rows = [{"id": n, "name": "n" * random.randrange(200)} for n in range(int(random.paretovariate(1.2) * 30) % 3000)]
        return json.dumps(json.loads(json.dumps(rows)))[:500]

    return page


def anon_bytes():
    with open("/proc/self/status") as status:
        return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = str(self.page()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if sys.argv[1] == "--rate":
    page, calls = globals()[sys.argv[2]](), int(sys.argv[3])
    levels = []
    for part in range(3):
        for _ in range(calls):
            page()
        gc.collect()
        levels.append(anon_bytes())
    print(sys.argv[2], os.environ.get("PYTHONPATH", ""), [round((b - a) / calls, 1) for a, b in zip(levels, levels[1:])])
else:
    Handler.page = staticmethod(globals()[sys.argv[2]]())
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
