#!/usr/bin/env python3
"""Agents' states as metrics: `agents.py PORT STATES TEXTFILE`. The agent has no listener; GET /NAME runs TEXTFILE over STATES/NAME/status.json."""

import http.server
import pathlib
import subprocess
import sys


def main(port, states, textfile):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            # Only names that are there: nothing of the path is used as a path.
            known = {f"/{folder.name}": folder / "status.json" for folder in pathlib.Path(states).iterdir()}
            status = known.get(self.path)
            if self.path == "/health":
                code, text = 200, b"ok\n"
            elif status is None or not status.exists():
                code, text = 404, b"no such agent\n"
            else:
                made = subprocess.run([sys.executable, textfile], stdin=open(status), capture_output=True)
                code, text = (500, made.stderr) if made.returncode else (200, made.stdout)
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("", int(port)), Answer).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
