"""A WSGI page: PAGE says which of flat, or kept (functools.cache on what the request asked for)."""

import functools
import json
import os

visits = 0


@functools.cache
def kept(number):
    return f"page {number} " * 12


def flat(number):
    return json.dumps([{"id": n, "name": "n" * (n % 50)} for n in range(number % 300)])[:2000]


def application(environ, start_response):
    global visits
    visits += 1
    body = {"flat": flat, "kept": kept}[os.environ.get("PAGE", "flat")](visits).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
