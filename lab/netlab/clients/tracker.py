"""A BitTorrent tracker on port 6969, as small as one can be: who asked lately is who gets listed."""

import http.server
import socket
import time
import urllib.parse

PEERS = {}


class Tracker(http.server.BaseHTTPRequestHandler):
    """Answers /announce with compact peers."""

    def do_GET(self):
        """Registers the asker, lists the others."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, encoding="latin-1"))
        PEERS[(self.client_address[0], int(query.get("port", 6881)))] = time.monotonic()
        packed = b"".join(socket.inet_aton(ip) + port.to_bytes(2, "big") for ip, port in PEERS
                          if ip != self.client_address[0])
        body = b"d8:intervali15e5:peers%d:%se" % (len(packed), packed)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keeps quiet."""


http.server.ThreadingHTTPServer(("", 6969), Tracker).serve_forever()
