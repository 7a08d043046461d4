#!/usr/bin/env python3
"""What a fleet costs its centre, measured: N real sensors and agents against real stand-ins (dynalite for DynamoDB, moto for S3).

    simulate.py --programs target/release [--agents 20] [--capture benign-mixed] [--check]

Each sensor reads the same capture under its own name and queues every flow; then all agents send at once, through a proxy that counts.
Afterwards every flow must be in the table exactly once, and in exactly one Parquet file. What an item weighs is reckoned as DynamoDB
documents it (names and values; 1 KB a write unit; each index that holds the item a write of its own). `--check` holds what is measured
against measured.json, which model.py and docs/scale.md reckon with, 10 % either way. It wants `scripts/setup servers`.
"""

import argparse
import collections
import http.client
import http.server
import json
import os
import pathlib
import resource
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compose"))
from prepare import make_table

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
SERVERS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "taphound/servers"
# What does not depend on the machine, nor on how many agents there are.
CHECKED = ("item_bytes", "write_units_per_item", "items_per_request", "table_bytes_up_per_item", "parquet_bytes_per_row")
TABLE, BUCKET = "ids_log_system", "taphound"
KEYS = {"aws_access_key_id": "standin", "aws_secret_access_key": "standin", "region_name": "us-east-1"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        time.sleep(0.3)
    raise SystemExit(f"{what}: not within {seconds} s")


class Counter:
    """Forwards requests and counts them by what they ask, with the bytes both ways."""

    def __init__(self, upstream):
        self.counts, self.lock = collections.Counter(), threading.Lock()
        counter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                upward = http.client.HTTPConnection("127.0.0.1", upstream, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "connection", "content-length")}
                headers["Content-Length"] = str(len(body))
                upward.request(self.command, self.path, body, headers)
                answer = upward.getresponse()
                text = answer.read()
                asked = self.headers.get("X-Amz-Target", self.command).rsplit(".", 1)[-1]
                with counter.lock:
                    counter.counts[asked] += 1
                    counter.counts["bytes up"] += len(body)
                    counter.counts["bytes down"] += len(text)
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(key, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads, request_queue_size = True, 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Rig:
    def __init__(self, programs, folder):
        self.programs, self.folder, self.started = programs, folder, []

    def start(self, name, command, **more):
        log = open(self.folder / f"{name}.log", "wb")
        self.started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **more))
        return self.started[-1]

    def stop(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def stand_ins(self):
        dynamodb, s3 = free_port(), free_port()
        self.start("dynalite", [SERVERS / "node_modules/.bin/dynalite", "--port", str(dynamodb), "--createTableMs", "50"])
        self.start("moto", [SERVERS / "venv/bin/moto_server", "-H", "127.0.0.1", "-p", str(s3)])
        for port in (dynamodb, s3):
            until("a stand-in", lambda: socket.create_connection(("127.0.0.1", port), 1), 60)
        self.table, self.objects = Counter(dynamodb), Counter(s3)
        self.endpoints = f"http://127.0.0.1:{dynamodb}", f"http://127.0.0.1:{s3}"
        config = Config(retries={"max_attempts": 5})
        self.dynamodb = boto3.client("dynamodb", endpoint_url=self.endpoints[0], config=config, **KEYS)
        self.s3 = boto3.client("s3", endpoint_url=self.endpoints[1], config=config, **KEYS)
        self.s3.create_bucket(Bucket=BUCKET)
        make_table(self.dynamodb, TABLE)

    def sensor(self, name, capture):
        place = self.folder / name
        (place / "in").mkdir(parents=True)
        (place / "state").mkdir()
        (place / "taphound.toml").write_text(
            f'[sensor]\nid = "{name}"\nstate_dir = "{place}/state"\n[capture]\ndirectory = "{place}/in"\n'
            f'[control]\nsocket = "{place}/control.sock"\n[api]\nlisten = []\n[outbox]\nenabled = true\nflows_share = 1.0\n'
            "[meter]\nflows_max = 50000\n"
        )
        (place / "sync.toml").write_text(
            f'[agent]\nstate_dir = "{place}/sync"\nsocket = "{place}/control.sock"\n[down]\nkeys_dir = "{place}"\n[centre]\n'
            f'table = "dynamodb://{TABLE}?region=us-east-1&endpoint=http://127.0.0.1:{self.table.port}"\n'
            f'objects = "s3://{BUCKET}?region=us-east-1&endpoint=http://127.0.0.1:{self.objects.port}&path_style=true"\n'
            "[up.archive]\nrows = 10000\nage_s = 1\n"
        )
        self.start(name, [self.programs / "taphound", "run", "--config", place / "taphound.toml"])
        part = place / capture.name
        shutil.copy(capture, part)
        os.rename(part, place / "in" / capture.name)

    def status(self, name):
        asked = [self.programs / "taphound", "status", "--socket", self.folder / name / "control.sock", "--json"]
        return json.loads(subprocess.run(asked, capture_output=True, text=True).stdout or "{}")

    def settled(self, name):
        """Rows of the outbox, once they no longer grow."""
        before = -1
        for _ in range(400):
            rows = self.status(name).get("store", {}).get("rows", {}).get("outbox", 0)
            if rows and rows == before:
                return rows
            before = rows
            time.sleep(2)
        raise SystemExit(f"{name}: its outbox does not settle")

    def send(self, names):
        """All agents at once, each until its outbox is empty. Seconds they took together, CPU seconds of all."""
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "standin", "AWS_SECRET_ACCESS_KEY": "standin", "AWS_REGION": "us-east-1"}
        began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        left, faults = list(names), {}
        for _ in range(40):
            running = {name: subprocess.Popen([self.programs / "taphound-sync", "once", "--config", self.folder / name / "sync.toml"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for name in left}
            for name, process in running.items():
                faults[name] = process.communicate(timeout=600)[1]
            took = time.monotonic() - began
            left = [name for name in left if self.status(name).get("store", {}).get("rows", {}).get("outbox", 0)]
            if not left:
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                return took, after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
        raise SystemExit(f"{left[0]} still has rows: {faults[left[0]][-600:]}")


def number_bytes(text):
    digits = text.lstrip("-").split("e")[0].split("E")[0].replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def value_bytes(value):
    [(kind, held)] = value.items()
    if kind == "S":
        return len(held.encode())
    if kind == "N":
        return number_bytes(held)
    if kind == "B":
        return len(held)
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + value_bytes(inner) for name, inner in held.items())
    if kind == "L":
        return 3 + sum(1 + value_bytes(inner) for inner in held)
    return sum(number_bytes(one) if kind == "NS" else len(one) for one in held)


def item_bytes(item):
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def measured(rig, names, rows, took, cpu):
    items, bytes_, units = collections.Counter(), 0, 0
    for page in rig.dynamodb.get_paginator("scan").paginate(TableName=TABLE):
        for item in page["Items"]:
            size = item_bytes(item)
            items[item["flow_id"]["S"].split("|")[0]] += 1
            bytes_ += size
            units += -(-size // 1024) * (1 + ("day_shard" in item) + ("labeled_sensor" in item))
    objects = [o for page in rig.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="logs/") for o in page.get("Contents", [])]
    table, store = rig.table.counts, rig.objects.counts
    count = sum(items.values())
    return {
        "agents": len(names), "rows": rows, "items": count, "items_of_each": sorted(set(items.values())),
        "item_bytes": round(bytes_ / count, 1), "write_units_per_item": round(units / count, 3),
        "items_per_request": round(count / max(1, table["BatchWriteItem"] + table["UpdateItem"] + table["PutItem"]), 2),
        "table_bytes_up_per_item": round(table["bytes up"] / count, 1),
        "parquet_files": len(objects), "parquet_bytes_per_row": round(sum(o["Size"] for o in objects) / rows, 1),
        "object_requests_per_agent": round(sum(store[m] for m in ("GET", "PUT", "HEAD", "POST")) / len(names), 1),
        "requests": dict(table), "object_requests": dict(store),
        "seconds": round(took, 1), "items_per_second": round(count / took, 1), "agent_cpu_ms_per_item": round(cpu * 1000 / count, 3),
    }


def sound(found):
    """Every row once in the table, by every agent alike."""
    if found["items"] != found["rows"] or len(found["items_of_each"]) != 1:
        print(f"FAILED: {found['rows']} rows became {found['items']} items, {found['items_of_each']} of each agent")
        return 1
    return 0


def check(found):
    written = json.loads((pathlib.Path(__file__).parent / "measured.json").read_text())
    wrong = [name for name in CHECKED if not 0.9 < found[name] / written[name] < 1.1]
    for name in wrong:
        print(f"FAILED: {name} is {found[name]}, measured.json says {written[name]}")
    print(f"    counted {found['agents']} agents, {found['items']} rows, each once; {len(CHECKED)} figures held against measured.json")
    return sound(found) or bool(wrong)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--programs", type=pathlib.Path, required=True)
    arguments.add_argument("--agents", type=int, default=20)
    arguments.add_argument("--capture", default="benign-mixed")
    arguments.add_argument("--check", action="store_true", help="hold the figures against measured.json")
    given = arguments.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"taphound-scale-{os.getpid()}-"))
    rig = Rig(given.programs.resolve(), folder)
    [capture] = (REPO / "tests/pcaps" / given.capture).glob("capture.*")
    try:
        rig.stand_ins()
        names = [f"tap-{n}" for n in range(1, given.agents + 1)]
        for name in names:
            rig.sensor(name, capture)
        rows = sum(rig.settled(name) for name in names)
        took, cpu = rig.send(names)
        found = measured(rig, names, rows, took, cpu)
        print(json.dumps(found, indent=2))
        return check(found) if given.check else sound(found)
    finally:
        rig.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
