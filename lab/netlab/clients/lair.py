"""The far end of the lab's hidden channels: answers beacons and smuggled data over HTTP, TLS, bare TCP and DNS.

`lair.py CERT KEY`: HTTP on 8000, TLS on 8443, bare TCP on 4444, DNS on 53 (whatever is asked gets an answer).
Now and then an order is longer than nothing, as an operator's would be.
"""

import http.server
import random
import socket
import socketserver
import ssl
import struct
import sys
import threading

ORDER_ODDS = 0.06


class Orders(http.server.BaseHTTPRequestHandler):
    """GET fetches orders, POST brings results."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """Mostly nothing to do; sometimes an order, sometimes a tool to run."""
        size = 16
        if random.random() < ORDER_ODDS:
            size = random.choice([120, 400, 1500, 20_000, 90_000])
        self.answer(bytes(size))

    def do_POST(self):
        """Takes results."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(b"ok")

    do_PUT = do_POST

    def log_message(self, *_):
        """Keeps quiet."""


class Shell(socketserver.BaseRequestHandler):
    """Bare TCP: each crumb gets a crumb back, an order now and then."""

    def handle(self):
        """Talks until the other end is gone."""
        try:
            while self.request.recv(65536):
                size = random.choice([60, 200, 900]) if random.random() < ORDER_ODDS else random.randint(4, 12)
                self.request.sendall(bytes(size))
        except OSError:
            pass


class Threads(socketserver.ThreadingTCPServer):
    """One thread a connection, ports free again at once."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class WebThreads(http.server.ThreadingHTTPServer):
    """The same for HTTP; a TLS handshake happens in the connection's own thread, not in the door's."""

    daemon_threads = True
    request_queue_size = 64
    context = None

    def finish_request(self, request, client_address):
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        """A client that leaves early is no news."""


def names():
    """Answers any DNS question: A with an address, everything else with text whose length the name's first label may ask for (`aN-`)."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("", 53))
    while True:
        question, peer = door.recvfrom(4096)
        if len(question) < 17:
            continue
        end = question.find(b"\0", 12) + 5
        kind = struct.unpack(">H", question[end - 4:end - 2])[0]
        label = question[13:13 + question[12]]
        size = random.choice([6, 20, 20, 40])
        if label.startswith(b"a") and b"-" in label and label[1:label.index(b"-")].isdigit():
            size = int(label[1:label.index(b"-")])
        if kind == 1:
            data = bytes(random.randint(1, 254) for _ in range(4))
        else:
            text = bytes(random.choice(b"abcdefghijklmnopqrstuvwxyz234567") for _ in range(size))
            data = b"".join(bytes([len(text[at:at + 250])]) + text[at:at + 250] for at in range(0, len(text), 250))
        head = question[:2] + b"\x84\x00" + struct.pack(">HHHH", 1, 1, 0, 0)
        door.sendto(head + question[12:end] + b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data, peer)


def main():
    """Serves until it is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    plain, closed = WebThreads(("", 8000), Orders), WebThreads(("", 8443), Orders)
    closed.context = context
    for server in (plain, closed, Threads(("", 4444), Shell)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    names()


main()
