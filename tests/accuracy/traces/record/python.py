"""A threaded http.server whose pages do what the command line says: see record.sh."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def orjson_refused():
    """A value that can't be written: the exception of the function that is asked is chained to orjson's."""
    import orjson

    class Unknown:
        pass

    def refuse(value):
        raise TypeError(f"{type(value).__name__} is not for JSON")

    def page():
        try:
            return orjson.dumps({"rows": [Unknown()]}, default=refuse)
        except orjson.JSONEncodeError as error:
            return str(error).encode()

    return page


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    page = staticmethod({"orjson-refused": orjson_refused}[sys.argv[2]]())

    def do_GET(self):
        body = self.page()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
