"""Starts real programs inside namespaces and is certain to end every one of them.

Each program leads a session of its own, so that ending it ends its children; whatever escaped
(sshd and vsftpd put sessions of their own behind them) is found by the namespace it lives in.
"""

import os
import shlex
import signal
import subprocess
import threading
import time

GRACE_S = 1.0


class Programs:
    """Every process of one run, by namespace."""

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self._live = {}
        self._lock = threading.Lock()
        self._closed = False

    def start(self, netns, argv, *, stdin=subprocess.DEVNULL, out=None, cwd=None, env=None):
        """Starts `argv` in `netns`; `out` names a log file below the run's folder."""
        argv = [str(part) for part in argv]
        sink = open(os.path.join(self.log_dir, out), "ab") if out else subprocess.DEVNULL
        with self._lock:
            if self._closed:
                raise RuntimeError("the lab is closing")
            program = subprocess.Popen(
                ["ip", "netns", "exec", netns, *argv],
                stdin=stdin, stdout=sink, stderr=sink, start_new_session=True,
                cwd=cwd or "/tmp", env={**os.environ, "LC_ALL": "C", **(env or {})},
            )
            self._live[program.pid] = program
        if out:
            sink.close()
        return program

    def finish(self, program, timeout_s):
        """Waits for `program`, ends it when its time is over, and returns its exit code."""
        try:
            code = program.wait(timeout=max(timeout_s, 0.01))
        except subprocess.TimeoutExpired:
            self.stop(program)
            code = program.returncode
        with self._lock:
            self._live.pop(program.pid, None)
        return code

    def stop(self, program, first=signal.SIGTERM, grace_s=GRACE_S):
        """Ends `program` and its group: politely, then by force."""
        for sign in (first, signal.SIGKILL):
            try:
                os.killpg(program.pid, sign)
            except ProcessLookupError:
                pass
            try:
                program.wait(timeout=grace_s)
                break
            except subprocess.TimeoutExpired:
                continue
        with self._lock:
            self._live.pop(program.pid, None)

    def stop_all(self):
        """Ends everything that is still running; nothing can be started afterwards."""
        with self._lock:
            self._closed = True
            left = list(self._live.values())
        for program in left:
            try:
                os.killpg(program.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for program in left:
            self.stop(program)


def ask(*argv, check=True, feed=None):
    """Runs a short configuration command on the host and returns what it printed."""
    done = subprocess.run([str(part) for part in argv], input=feed, text=True, capture_output=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"`{shlex.join(map(str, argv))}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def end_namespace(netns):
    """Ends, by id, each process left inside `netns`, then removes the namespace and its files."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        pids = ask("ip", "netns", "pids", netns, check=False).split()
        for pid in pids:
            try:
                os.kill(int(pid), sign)
            except ProcessLookupError:
                pass
        if not pids:
            break
        time.sleep(0.2)
    ask("ip", "netns", "delete", netns, check=False)
    folder = f"/etc/netns/{netns}"
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
