"""Starts real PostgreSQL servers and watches them from beside.

Version 15 is Debian's, unpacked below TOOLS_DIR (tests/run) or installed; postgres_builds has the
others. Each server has a directory of its own, listens on 127.0.0.1 and a free port, and is ended
with all its backends by process id. A server does not run as root: then it runs as nobody.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import certificates
import postgres_builds
import support

NEWEST, OLDEST, DEBIAN = 18, 12, 15
APPLICATION = "postgres-exporter"


def binaries(major):
    """Where the server's initdb and postgres are, for the user that runs them."""
    unpacked = support.TOOLS / "postgres/usr/lib/postgresql/15/bin"
    if major != DEBIAN or not (unpacked / "postgres").exists():
        unpacked = postgres_builds.bin_directory(major)
    return _reachable(unpacked / "postgres").parent


@functools.cache
def _reachable(program):
    """Itself, or in a copy of what was unpacked with it: the checkout may be in /root."""
    if subprocess.run(["test", "-x", program], check=False, **_user()).returncode == 0:
        return program
    top = next(folder for folder in program.parents if folder.parent == support.TOOLS)
    copy = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-tools."))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    shutil.copytree(top, copy / top.name, symlinks=True)
    return copy / top.name / program.relative_to(top)


def _user():
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(command, **options):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False, **_user(), **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


class Server:
    """`with Server(15) as server`: trusts everybody but for what `hba` says. With `tls` it is
    localhost of the CA in ca.pem of its folder."""

    def __init__(self, major=DEBIAN, settings=(), initdb=("--encoding=UTF8",), base=None, tls=False):
        self.major, self.bin, self.settings = major, binaries(major), list(settings)
        self.tls = tls
        self.initdb, self.base = list(initdb), base
        self.port = support.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-postgres."))
        self.data = self.folder / "data"
        self.popen = None
        if os.geteuid() == 0:
            os.chown(self.folder, _user()["user"], _user()["group"])

    def __enter__(self):
        try:
            self._make()
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def _make(self):
        if self.base is None:
            _run([self.bin / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres",
                  "--no-locale", "--no-sync", *self.initdb])
        else:
            _run(["pg_basebackup", "-h", "127.0.0.1", "-p", self.base.port, "-U", "postgres",
                  "-D", self.data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"],
                 env={**os.environ, "PGAPPNAME": "standby"})
        settings = ["listen_addresses = '127.0.0.1'", f"port = {self.port}",
                    f"unix_socket_directories = '{self.folder}'", "fsync = off",
                    "max_connections = 40", "superuser_reserved_connections = 3",
                    "log_line_prefix = '%m [%p] %q%a '", "logging_collector = off", "jit = off",
                    *self.settings]
        if self.tls:
            settings += self._certify()
        with open(self.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write("\n".join(settings) + "\n")

    def _certify(self):
        certificates.authority(self.folder, "ca")
        certificates.certificate(self.folder, "server", "ca", "localhost")
        for name in ("ca.pem", "server.pem", "server.key"):
            os.chown(self.folder / name, self.data.stat().st_uid, -1)
        return ["ssl = on", *(f"ssl_{kind}_file = '{self.folder}/{name}'" for kind, name in (
            ("ca", "ca.pem"), ("cert", "server.pem"), ("key", "server.key")))]

    def start(self):
        log = open(self.folder / "log", "ab")  # pylint: disable=consider-using-with
        with log:
            self.popen = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **_user())
        support.wait_for(self._accepts, 30, f"PostgreSQL {self.major} on {self.port}")
        return self

    def _accepts(self):
        if self.popen.poll() is not None:
            raise AssertionError(f"PostgreSQL ended: {self.log()[-2000:]}")
        return subprocess.run(
            ["psql", "-XAtqc", "SELECT 1", self.dsn("postgres", "postgres")],
            capture_output=True, check=False, timeout=10).returncode == 0

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, sig=signal.SIGINT):
        """SIGINT: fast, SIGKILL: as a crash; with every backend, also a stopped one."""
        if self.popen is None:
            return
        backends = self.backends()
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(sig)
            self.popen.send_signal(signal.SIGCONT)
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        for pid in backends:  # orphans of a crash
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen = None

    def end(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def backends(self):
        """Processes of the server without the postmaster."""
        children = pathlib.Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        with contextlib.suppress(OSError):
            return [int(pid) for pid in children.read_text().split()]
        return []

    def dsn(self, user="monitor", database="postgres", **more):
        words = {"host": "127.0.0.1", "port": self.port, "user": user, "dbname": database, **more}
        return " ".join(f"{key}={word}" for key, word in words.items())

    def sql(self, *statements, database="postgres", user="postgres", timeout=30):
        """The rows of the last statement as text, a list a row."""
        command = ["psql", "-XAtq", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1",
                   self.dsn(user, database, application_name="test")]
        for statement in statements:
            command += ["-c", statement]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=timeout, check=False)
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.decode('utf-8', 'replace')}")
        return [row.split("\x1f") for row in text.rstrip("\n").split("\x1e") if row]

    def monitor_role(self, most=-1):
        """With `most` the server itself refuses a session more, and says so in its log."""
        self.sql(f"CREATE ROLE monitor LOGIN CONNECTION LIMIT {most}",
                 "GRANT pg_monitor TO monitor")
        return self

    def sessions(self, application=APPLICATION):
        """[pid, datname, state, query] of the exporter's sessions, as a superuser sees them."""
        return self.sql("SELECT pid, datname, state, query FROM pg_stat_activity"
                        f" WHERE application_name = '{application}'")

    @contextlib.contextmanager
    def held(self, *statements, database="postgres", user="postgres"):
        """A session that has run these and stays, in its transaction if it began one."""
        with subprocess.Popen(
                ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
                 self.dsn(user, database, application_name="held")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as psql:
            try:
                psql.stdin.write((";\n".join(statements) + ";\n\\echo held\n").encode())
                psql.stdin.flush()
                line = psql.stdout.readline()
                while line and line.strip() != b"held":
                    if b"ERROR" in line or b"FATAL" in line:
                        raise AssertionError(line.decode())
                    line = psql.stdout.readline()
                yield psql
            finally:
                psql.kill()
                psql.wait()

    def hba(self, *lines):
        """Replaces pg_hba.conf; `postgres` may always log in."""
        text = "\n".join(["host all postgres 127.0.0.1/32 trust",
                          "host replication postgres 127.0.0.1/32 trust", *lines]) + "\n"
        (self.data / "pg_hba.conf").write_text(text)
        os.kill(self.popen.pid, signal.SIGHUP)
        support.wait_for(
            lambda: int(self.sql("SELECT count(*) FROM pg_hba_file_rules")[0][0]) == 2 + len(lines),
            10, "pg_hba.conf is read")


@contextlib.contextmanager
def pooler(server, mode="transaction"):
    """pgbouncer before the server, of which all share three connections; gives its port."""
    port = support.free_port()
    program = _reachable(support.TOOLS / "pgbouncer/usr/sbin/pgbouncer")
    libraries = program.parents[1] / "lib/x86_64-linux-gnu"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-pgbouncer."))
    (folder / "users").write_text('"monitor" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user=monitor\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n"
        f"auth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = 3\n"
        "unix_socket_dir =\n")
    folder.chmod(0o755)
    with subprocess.Popen(
            [program, "-q", folder / "pgbouncer.ini"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_user(),
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)}) as process:
        try:
            support.wait_for(lambda: process.poll() is None and subprocess.run(
                ["psql", "-XAtqc", "SELECT 1", f"host=127.0.0.1 port={port} user=monitor "
                 "dbname=postgres"], capture_output=True, check=False).returncode == 0,
                20, "pgbouncer answers")
            yield port
        finally:
            process.terminate()
            process.wait(10)
            shutil.rmtree(folder, ignore_errors=True)


def exporter(server, *flags, config="", folder=None, env=None, dsn=None):
    """postgres-exporter that watches `server`, with [postgres] in a file of `folder` if given."""
    environment = {key: text for key, text in os.environ.items()
                   if not key.startswith(("PG", "DATA_SOURCE_", "SIDECAR_"))}
    environment.update(env or {})
    arguments = list(flags)
    if folder is not None:
        path = pathlib.Path(folder) / "postgres.toml"
        path.write_text(config)
        arguments.append(f"--config.file={path}")
    elif "DATA_SOURCE_NAME" not in environment and "DATA_SOURCE_URI" not in environment:
        environment["DATA_SOURCE_NAME"] = dsn or server.dsn()
    return support.exporter(*arguments, name="postgres-exporter", env=environment)


class Sessions:
    """Looks at pg_stat_activity again and again; `most` is the greatest number it saw."""

    def __init__(self, server, application=APPLICATION):
        self.server, self.application, self.most, self.looks = server, application, 0, 0

    def look(self):
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            rows = self.server.sessions(self.application)
            self.looks += 1
            self.most = max(self.most, len(rows))
        return self.most


def scrape(process, timeout=5.0):
    """One scrape with Prometheus' timeout: its text and how long it took."""
    began = time.monotonic()
    answer = process.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": str(timeout)})
    took = time.monotonic() - began
    if answer.status != 200:
        raise AssertionError(f"{answer.status}: {answer.text[:500]}")
    return answer.text, took


def logins(log, application=APPLICATION):
    """How many connections of it a server's log says were authorized (log_connections)."""
    return len(re.findall(rf"connection authorized: .*application_name={application}", log))


TOO_MANY = 'too many connections for role "monitor"'  # monitor_role's refusal


def most_at_once(log, application=APPLICATION):
    """The most sessions of it that there were at one moment, and how many in all, by the server's
    own word: log_connections and log_disconnections must be on."""
    open_pids, most, total = set(), 0, 0
    for line in log.splitlines():
        pid = re.search(r"\[(\d+)\]", line)
        if "connection authorized:" in line and f"application_name={application}" in line:
            open_pids.add(pid[1])
            total += 1
            most = max(most, len(open_pids))
        elif "disconnection:" in line or (pid and " FATAL:  " in line):
            open_pids.discard(pid[1])
        elif "starting PostgreSQL" in line:
            open_pids.clear()
    return most, total
