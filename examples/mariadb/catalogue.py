"""A catalogue with a MariaDB behind it: `/list` shows many items with their makers, `/item` shows one.

Of the makers of a list it asks by a query for each item, or, as it should, by one JOIN for all.

    python3 catalogue.py PORT SOCKET ASKS    # ASKS: rows or join
"""

import http.server
import queue
import sys

from shop import Page, database

ITEMS = 200
MAKERS = 50
# As many as requests may be in flight; more wait for one.
CONNECTIONS = 8


class Catalogue(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, port, path, asks):
        self.asks, self.pool = asks, queue.SimpleQueue()
        for _ in range(CONNECTIONS):
            self.pool.put(database(path))
        super().__init__(("127.0.0.1", port), Page)

    def page(self, path):
        connection = self.pool.get()
        try:
            if path == "/item":
                connection.query("SELECT * FROM shop.goods WHERE id = 7")
            elif self.asks == "join":
                connection.query("SELECT * FROM shop.goods JOIN shop.maker ON maker.id = goods.maker")
            else:
                for number, _ in enumerate(connection.query("SELECT * FROM shop.goods")):
                    connection.query(f"SELECT * FROM shop.maker WHERE id = {number % MAKERS}")
        finally:
            self.pool.put(connection)


def fill(connection):
    connection.query("CREATE DATABASE IF NOT EXISTS shop")
    for table in ("goods", "maker"):
        connection.query(f"CREATE TABLE IF NOT EXISTS shop.{table} (id INT PRIMARY KEY, maker INT, note VARCHAR(80))")
    for table, rows in (("goods", ITEMS), ("maker", MAKERS)):
        values = ", ".join(f"({n}, {n % MAKERS}, REPEAT('x', 80))" for n in range(rows))
        connection.query(f"INSERT IGNORE INTO shop.{table} VALUES {values}")
    connection.close()


def main(port, path, asks):
    fill(database(path))
    Catalogue(int(port), path, asks).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
