"""A small shop that is as careless as its kind: SQL glued from input, input echoed, files named by the visitor.

`vulnerable.py PORT FOLDER`. It runs only inside the lab; its database is in memory, its files are in FOLDER.
"""

import html
import http.server
import os
import random
import sqlite3
import sys
import threading
import urllib.parse

PAGES = ["/", "/item?id=1", "/item?id=7", "/search?q=lamp", "/login", "/file?name=terms.txt", "/news", "/contact", "/basket?user=3"]
LOCK = threading.Lock()


def make_shop():
    """Items and users."""
    shop, rng = sqlite3.connect(":memory:", check_same_thread=False), random.Random(1)
    shop.execute("create table items (id integer, name text, price real, text text)")
    shop.execute("create table users (id integer, name text, password text)")
    for number in range(60):
        shop.execute("insert into items values (?, ?, ?, ?)", (number, f"lamp {number}", rng.uniform(5, 90), "a fine lamp " * rng.randint(5, 120)))
    for number, name in enumerate(("alice", "bob", "carol", "admin")):
        shop.execute("insert into users values (?, ?, ?)", (number, name, f"secret-{number}"))
    return shop


class Shop(http.server.BaseHTTPRequestHandler):
    """Every page of the shop."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    shop, folder = None, "."

    def page(self, body, code=200):
        """Sends a page with the shop's frame around it."""
        links = "".join(f'<a href="{path}">{path}</a> ' for path in PAGES)
        data = f"<html><body>{links}<hr>{body}</body></html>".encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def ask(self, text):
        """Runs glued SQL, on purpose."""
        with LOCK:
            return self.shop.execute(text).fetchall()

    def do_GET(self):
        """All pages."""
        parts = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(parts.query).items()}
        try:
            if parts.path == "/item":
                rows = self.ask(f"select name, price, text from items where id = {query.get('id', '1')}")
                self.page("".join(f"<h1>{name}</h1>{price} {text}" for name, price, text in rows) or "gone")
            elif parts.path == "/search":
                word = query.get("q", "")
                rows = self.ask(f"select id, name from items where name like '%{word}%'")
                self.page(f"<p>for {word}:</p>" + "".join(f'<a href="/item?id={row}">{name}</a>' for row, name in rows))
            elif parts.path == "/file":
                with open(os.path.join(self.folder, os.path.basename(query.get("name", "")))) as file:
                    self.page(html.escape(file.read()))
            elif parts.path in ("/", "/news", "/contact", "/basket", "/login", "/admin", "/robots.txt"):
                self.page(f"<h1>{parts.path}</h1>" + "words and more words " * (10 + len(parts.path) * 20)
                          + '<form method="post" action="/login"><input name="user"><input name="password"></form>')
            else:
                self.page("no such page", 404)
        except (sqlite3.Error, sqlite3.Warning) as error:
            self.page(f"database: {error}", 500)
        except OSError:
            self.page("no such file", 404)

    do_HEAD = do_GET

    def do_POST(self):
        """The login form."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0)).decode("latin-1")
        query = {name: values[0] for name, values in urllib.parse.parse_qs(data).items()}
        try:
            rows = self.ask(f"select id from users where name = '{query.get('user', '')}' and password = '{query.get('password', '')}'")
            self.page("welcome" if rows else "wrong password", 200 if rows else 401)
        except (sqlite3.Error, sqlite3.Warning) as error:
            self.page(f"database: {error}", 500)

    def log_message(self, *_):
        """Keeps quiet."""


def main():
    """Serves until it is ended."""
    Shop.folder, Shop.shop = sys.argv[2], make_shop()
    server = http.server.ThreadingHTTPServer
    server.request_queue_size = 64
    server(("", int(sys.argv[1])), Shop).serve_forever()


main()
