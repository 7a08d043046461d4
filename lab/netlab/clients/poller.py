"""An API client: small requests at a steady or wandering pace, over one kept connection or a new one each time.

`poller.py BASE_URL SECONDS SEED --paths P,P --every LOW,HIGH [--fresh] [--post BYTES]`.
"""

import argparse
import http.client
import random
import ssl
import time
import urllib.parse


def main():
    """Polls until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed")
    parser.add_argument("--paths", required=True)
    parser.add_argument("--every", default="1,1")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--post", type=int, default=0)
    options = parser.parse_args()
    url, rng = urllib.parse.urlsplit(options.url), random.Random(options.seed)
    until, connection = time.monotonic() + options.seconds, None
    low, high = map(float, options.every.split(","))
    while time.monotonic() < until:
        try:
            if connection is None:
                if url.scheme == "https":
                    connection = http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=10,
                                                             context=ssl._create_unverified_context())
                else:
                    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=10)
            if options.post and rng.random() < 0.5:
                body = "x" * rng.randint(options.post // 4 + 1, options.post)
                connection.request("PUT", f"/put/{rng.randint(1, 50)}.json", body=body)
            else:
                connection.request("GET", rng.choice(options.paths.split(",")), headers={"Accept": "application/json"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            options_failed, connection = connection, None
            if options_failed:
                options_failed.close()
        if options.fresh and connection:
            connection.close()
            connection = None
        time.sleep(min(rng.uniform(low, high), max(until - time.monotonic(), 0)))
    if connection:
        connection.close()


main()
