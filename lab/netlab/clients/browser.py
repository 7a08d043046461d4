"""A browser's habits: a page, its assets over a few kept-alive connections, a pause to read, a link onwards.

`browser.py BASE_URL SECONDS SEED --pages PATH,PATH --connections N --think LOW,HIGH`; TLS is not verified (lab keys).
"""

import argparse
import http.client
import queue
import random
import re
import ssl
import threading
import time
import urllib.parse

AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0",
          "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15"]


class Tab:
    """One site and up to `limit` kept-alive connections to it."""

    def __init__(self, url, limit, rng):
        self.url, self.limit = urllib.parse.urlsplit(url), limit
        self.idle = queue.LifoQueue()
        self.headers = {"User-Agent": rng.choice(AGENTS), "Accept": "*/*", "Accept-Language": "en,de;q=0.7",
                        "Cookie": "session=" + "".join(rng.choice("0123456789abcdef") for _ in range(rng.randint(16, 120)))}
        self.context = ssl._create_unverified_context() if self.url.scheme == "https" else None

    def fetch(self, path):
        """One GET over a kept connection, or a new one when none is idle or the server closed it."""
        for attempt in range(2):
            try:
                connection = self.idle.get_nowait() if not attempt else self.connect()
            except queue.Empty:
                connection = self.connect()
            try:
                connection.request("GET", path, headers=self.headers)
                body = connection.getresponse().read()
                self.idle.put(connection)
                return body.decode("latin-1")
            except (OSError, http.client.HTTPException):
                connection.close()
        return ""

    def connect(self):
        """A fresh connection."""
        if self.context:
            return http.client.HTTPSConnection(self.url.hostname, self.url.port or 443, timeout=10, context=self.context)
        return http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=10)

    def fetch_all(self, paths):
        """All of a page's assets, `limit` at a time."""
        todo = queue.Queue()
        for path in paths:
            todo.put(path)

        def work():
            while True:
                try:
                    self.fetch(todo.get_nowait())
                except (queue.Empty, OSError):
                    return
        workers = [threading.Thread(target=work) for _ in range(min(self.limit, len(paths)))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def close(self):
        """Closes what is idle, as leaving a site does."""
        while not self.idle.empty():
            self.idle.get().close()


def main():
    """Browses until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed")
    parser.add_argument("--pages", required=True)
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--think", default="1,8")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    pages, until = options.pages.split(","), time.monotonic() + options.seconds
    low, high = map(float, options.think.split(","))
    tab, seen, page = Tab(options.url, options.connections, rng), set(), "/index.html"
    while time.monotonic() < until:
        html = tab.fetch(page)
        assets = [path for path in re.findall(r'src="([^"]+)"', html) if path not in seen]
        seen.update(assets)
        if assets:
            tab.fetch_all(assets)
        if rng.random() < 0.1:
            tab.fetch("/missing-" + str(rng.randint(1, 99)))
        if rng.random() < 0.15:  # on to another site: connections close, the cache of this one is forgotten
            tab.close()
            seen.clear()
        page = rng.choice(re.findall(r'href="([^"]+)"', html) or pages) if rng.random() < 0.5 else rng.choice(pages)
        time.sleep(min(low * (high / low) ** rng.random(), max(until - time.monotonic(), 0)))
    tab.close()


main()
