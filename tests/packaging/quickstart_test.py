"""deploy/quickstart as a user runs it: everything starts, every shipped query finds data, and
nothing is left behind."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest
import urllib.request

import queries
import support

QUICKSTART = support.ROOT / "deploy/quickstart"
START_SECONDS = 300
# What has no data in a few minutes of a healthy demo, and why. promtool's tests cover them.
WITHOUT_DATA = {
    ("orders.json: Orders and yesterday",
     "rate(orders_created_total[1h] offset 1d)"): "there was no yesterday",
    ("exporters.json: Series dropped",
     "sum by (exporter, collector, reason) (rate(sidecar_collector_series_dropped_total[5m]))"):
        "none is dropped",
    ("alerts-exporters.yml: SeriesDropped", "sidecar_collector_series_dropped_total"):
        "none is dropped",
    ("alerts-temporal.yml: TemporalStreamOff", "temporal_exporter_collector_disabled"):
        "the server refuses nothing",
    ("alerts-postgres.yml: PostgresConnectionsNearLimit", "pg_settings_reserved_connections"):
        "PostgreSQL 16 and later",
    ("alerts-postgres.yml: PostgresStandbyDisconnected", "pg_replication_receiver_streaming"):
        "it is no standby",
    ("alerts-postgres.yml: PostgresReplicationSlotInactive", "pg_replication_slots_active"):
        "there is no replication slot",
    ("alerts-postgres.yml: PostgresReplicationSlotInactive", "pg_replication_slots_synced"):
        "there is no replication slot",
    ("alerts-postgres.yml: PostgresReplicationSlotInactive", "pg_replication_slots_wal_status"):
        "there is no replication slot",
}
# One of each source.
NAMED = {
    "host": '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m]))',
    "PostgreSQL": "sum(rate(pg_stat_database_xact_commit[1m]))",
    "orders": "rate(orders_created_total[1m])",
    "Temporal": "sum(rate(temporal_workflow_completed_total[1m]))",
    "exporters": "sum(process_resident_memory_bytes) / 1e6",
}


def session_of(pid):
    """The processes of a session by name, zombies left out."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[3]) == pid and rest[0] != "Z":
            found[int(stat.parent.name)] = name
    return found


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if support.RELEASE.resolve() != (support.ROOT / "build/release").resolve():
            support.optional("the quickstart builds build/release, and RELEASE_TREE is elsewhere")
        scratch = support.scratch()
        cls.scratch = scratch.__enter__()
        cls.addClassCleanup(scratch.__exit__, None, None, None)
        cls.output = cls.scratch / "output"
        (cls.scratch / "tmp").mkdir(mode=0o711)
        cls.scratch.chmod(0o711)
        with open(cls.output, "wb") as output:
            cls.process = subprocess.Popen(
                [str(QUICKSTART)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env={**os.environ, "TMPDIR": str(cls.scratch / "tmp")})
        cls.addClassCleanup(cls.kill)
        support.wait_for(cls.ready, START_SECONDS, "the quickstart is ready")
        cls.text = cls.output.read_text()
        cls.prometheus = re.search(r"^Prometheus: +(http://\S+)$", cls.text, re.M)[1]

    @classmethod
    def ready(cls):
        text = cls.output.read_text()
        assert cls.process.poll() is None, text[-3000:]
        return text.endswith("\nready\n")

    @classmethod
    def kill(cls):
        for pid in session_of(cls.process.pid):
            os.kill(pid, signal.SIGKILL)
        cls.process.wait(10)

    def test_1_every_part_has_its_line(self):
        for part in ("Prometheus", "Host exporter", "Postgres exporter", "Temporal exporter",
                     "PostgreSQL", "Temporal"):
            self.assertRegex(self.text, rf"(?m)^{part}: +(http://)?127\.0\.0\.1:\d+")
        self.assertNotIn("no data", self.text)
        for part, expression in NAMED.items():
            answer = queries.ask(self.prometheus, expression)
            print(f"{part}: {expression} = {answer[0]['value'][1]}")
            self.assertEqual(len(answer), 1)

    def test_2_every_rule_is_loaded_and_evaluated(self):
        def groups():
            with urllib.request.urlopen(f"{self.prometheus}/api/v1/rules", timeout=10) as reply:
                return json.load(reply)["data"]["groups"]

        def evaluated():
            return all(rule["health"] == "ok" for group in groups() for rule in group["rules"])
        support.wait_for(evaluated, 60, "every rule was evaluated")
        loaded = {rule["name"] for group in groups() for rule in group["rules"]}
        shipped = {query.origin.split(": ", 1)[1] for query in queries.shipped()
                   if query.origin.split(":")[0].endswith(".yml")}
        self.assertEqual(loaded, shipped)

    def read_the_disk(self):
        """Past the page cache: on a quiet machine nobody else may for minutes."""
        path = self.scratch / "read"
        with open(path, "wb") as file:
            file.write(bytes(1 << 20))
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        path.read_bytes()

    def test_3_every_query_finds_data(self):
        until = time.monotonic() + 180
        while True:
            self.read_the_disk()
            missing = set(queries.unanswered(self.prometheus)) - set(WITHOUT_DATA)
            if not missing or time.monotonic() > until:
                break
            time.sleep(2)
        self.assertEqual(missing, set())

    def test_4_sigterm_ends_everything_and_leaves_nothing(self):
        ran = session_of(self.process.pid)
        self.assertGreater(len(ran), 8, ran)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(40), 143)
        support.wait_for(lambda: not session_of(self.process.pid), 5, "its processes ended")
        self.assertEqual([path.name for path in (self.scratch / "tmp").iterdir()], [])


class Arguments(unittest.TestCase):
    def test_wrong_ones_are_refused_before_anything_is_done(self):
        for arguments, part in ((["--postgre"], "unknown argument"), (["--postgres"], "a value"),
                                (["--temporal", "--postgres"], "a value"),
                                (["--temporal=somewhere"], "HOST:PORT")):
            said = support.run([QUICKSTART, *arguments])
            self.assertEqual(said.returncode, 2, said.stdout)
            self.assertIn(part, said.stderr.splitlines()[0])

    def test_help_names_what_can_be_given(self):
        said = support.run([QUICKSTART, "--help"])
        self.assertEqual(said.returncode, 0)
        for part in ("--postgres DSN", "--temporal HOST:PORT", "Ctrl-C"):
            self.assertIn(part, said.stdout)


if __name__ == "__main__":
    unittest.main()
