"""Users' collectors that are malformed, that ask for what is not there, or that never end: each costs
itself only, and says so in /metrics, on /status and in the log. And a peer that is no server."""

import contextlib
import html
import pathlib
import re
import signal
import socket
import struct
import threading
import time
import unittest

import postgres_support
import support
from postgres_custom_test import WithServer

HOSTILE = {
    # name: (sql, reason, what the log says)
    "missing_column": ("SELECT 'a' AS k, 1 AS other", "parse", "no column 'n' in the result"),
    "duplicates": ("SELECT 'a' AS k, g AS n FROM generate_series(1, 3) g", "parse",
                   "row 2 repeats labels {k='a'}"),
    "null_label": ("SELECT NULL AS k, 1 AS n", "parse", "row 1, column 'k': a label is NULL"),
    "text": ("SELECT 'a' AS k, 'many' AS n", "parse", "row 1, column 'n': not a number: 'many'"),
    "not_a_number": ("SELECT 'a' AS k, 'NaN'::float8 AS n", "parse", "not finite: 'NaN'"),
    "infinity": ("SELECT 'a' AS k, 'Infinity'::float8 AS n", "parse", "not finite"),
    "interval_value": ("SELECT 'a' AS k, interval '1 hour' AS n", "parse", "not a number: '01:00:00'"),
    "sleeper": ("SELECT 'a' AS k, 1 AS n FROM pg_sleep(3600)", "timeout", ""),
    "no_table": ("SELECT k, n FROM nowhere", "unsupported", "nowhere"),
    "division": ("SELECT 'a' AS k, 1 / 0 AS n", "parse", "division by zero"),
    "syntax": ("SELEKT 1", "parse", "syntax error"),
    "writer": ("WITH w AS (DELETE FROM kept RETURNING 1) SELECT 'a' AS k, 1 AS n FROM w", None,
               "read-only"),
}
FLOODS = {
    # name: (sql, what /status says)
    "rows": ("SELECT generate_series(1, 1000000000) AS k, 1 AS n", "more than 50000 series"),
    "rows_of_text": ("SELECT repeat('x', 1000) || generate_series(1, 1000000000) AS k, 1 AS n",
                     "more than 50000 series"),
    "groups": ("SELECT generate_series(1, 1000000000) AS k, 1 AS n", "more than 50000 series"),
    "groups_of_text": ("SELECT repeat('x', 1000) || generate_series(1, 1000000000) AS k, 1 AS n",
                       "labels of aggregates with more than"),
    "large_cell": ("SELECT repeat('x', 2000000) AS k, 1 AS n", "label k has 2000000 bytes"),
    "huge_cell": ("SELECT repeat('x', 500000000) AS k, 1 AS n", "more than 8 MiB in a row"),
}
MOST_MEMORY = 200_000  # kB; a run may have 64 MiB of samples, in a buffer that doubles


def collectors(queries, timeout):
    return "".join(f"""
[[postgres.queries]]
name = "{name}"
labels = ["k"]
timeout = "{timeout}"
sql = "{sql}"
metrics = [{{ name = "hostile_{name}", column = "n", type = "gauge", help = "N."{
        ', aggregate = "sum"' if name.startswith("groups") else ""} }}]
""" for name, sql in {**queries, "good": "SELECT 'a' AS k, 5 AS n"}.items())


def failed(text):
    return {name for name, value in support.successes(text, "pg").items() if value != 1}


class Hostile(WithServer):
    def test_each_fails_alone_and_says_why(self):
        self.server.sql("CREATE TABLE IF NOT EXISTS kept (id int)", "GRANT ALL ON kept TO monitor",
                        "INSERT INTO kept VALUES (1)")
        (self.folder / "hostile.toml").write_text(
            collectors({name: sql for name, (sql, _, _) in HOSTILE.items()}, "500ms"))
        exporter = self.exporter()
        most = postgres_support.Sessions(self.server)
        for _ in range(3):
            text, took = postgres_support.scrape(exporter, timeout=10)
            self.assertLess(took, 10)
            self.assertLessEqual(most.look(), 3)
        self.assertEqual(failed(text), set(HOSTILE), exporter.output())
        self.assertEqual(support.value(text, "hostile_good", k="a"), 5)
        log = exporter.output()
        for name, (_, reason, message) in HOSTILE.items():
            with self.subTest(name):
                if reason:
                    self.assertGreater(support.value(text, "sidecar_collector_errors_total",
                                                     collector=name, reason=reason) or 0, 0)
                lines = [line for line in log.splitlines() if f"collector={name} " in line]
                self.assertTrue(any(message in line for line in lines), lines)
        self.assertEqual(support.value(text, "hostile_duplicates", k="a"), 1)
        dropped = support.value(text, "sidecar_collector_series_dropped_total",
                                collector="duplicates")
        self.assertTrue(dropped >= 6 and dropped % 2 == 0, f"{dropped}: two in each run")
        self.assertEqual(self.server.sql("SELECT count(*) FROM kept"), [["1"]])

    def test_floods_cost_themselves_and_no_memory(self):
        """Over TCP and over a Unix socket. Each costs a connection, and has a turn a minute: the
        others are served all the time."""
        for host in ("127.0.0.1", str(self.server.folder)):
            with self.subTest(host):
                (self.folder / "hostile.toml").write_text(
                    f'[postgres]\ndsn = "{self.server.dsn(host=host)}"\n'
                    + collectors({name: sql for name, (sql, _) in FLOODS.items()}, "8s"))
                exporter = self.exporter()

                def untold():
                    page = html.unescape(support.request(exporter.port, path="/status").text)
                    return {name for name, (_, message) in FLOODS.items()
                            if message not in re.search(rf"<td>{name}</td>.*?</tr>", page)[0]}

                # Three that end at once may leave no place for the rest, until their backends end.
                support.wait_for(lambda: postgres_support.scrape(exporter, timeout=50)[1] < 5
                                 and not untold(), 120, "each has had its turn")
                for _ in range(5):
                    text, took = postgres_support.scrape(exporter, timeout=10)
                    self.assertLess(took, 5)
                    self.assertEqual(failed(text), set(FLOODS), exporter.output())
                self.assertEqual(untold(), set())
                # At its highest, whatever was given back since.
                memory = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(
                    f"/proc/{exporter.pid}/status").read_text())[1])
                print(f"  memory at its highest: {memory} kB")
                self.assertLess(memory, MOST_MEMORY)

    def test_a_malformed_file_is_refused_with_line_and_caret_and_changes_nothing(self):
        good = ('[[postgres.queries]]\nname = "good"\nsql = "SELECT 1 AS n"\n'
                'metrics = [{ name = "good_n", column = "n", type = "gauge", help = "N." }]\n')
        (self.folder / "good.toml").write_text(good)
        exporter = self.exporter()
        self.assertEqual(support.value(exporter.scrape().text, "good_n"), 1)
        (self.folder / "good.toml").write_text(
            good.replace('"gauge"', '"guage"').replace("column", "colum")
            .replace("AS n", "AS n; DROP TABLE kept"))
        checked = self.check()
        self.assertEqual(checked.returncode, 2)
        for part in ("good.toml:3", "one statement only", "good.toml:4", "unknown key 'colum'",
                     "did you mean 'column'?", "'type': must be one of", "not 'guage'", "^~~~~"):
            self.assertIn(part, checked.stderr)
        exporter.popen.send_signal(signal.SIGHUP)
        support.wait_for(lambda: support.value(exporter.scrape().text,
                                               "sidecar_config_last_reload_successful") == 0,
                         10, "the reload is refused")
        self.assertEqual(support.value(exporter.scrape().text, "good_n"), 1)


class Flood(unittest.TestCase):
    """A peer that lets everybody in and then reports parameters without end, all of which libpq keeps."""

    def answer(self, client):
        def message(kind, body):
            return kind + struct.pack("!I", len(body) + 4) + body

        with client, contextlib.suppress(OSError):
            while True:
                size = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))[0]
                startup = client.recv(size - 4, socket.MSG_WAITALL)
                if startup[:4] != struct.pack("!I", 80877103):  # SSLRequest
                    break
                client.sendall(b"N")
            client.sendall(message(b"R", struct.pack("!I", 0)))
            for number in range(1_000_000):
                client.sendall(message(b"S", b"p%d\0%s\0" % (number, b"x" * 29_000)))

    def test_of_a_login_has_a_bound(self):
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=self.answer, args=(front.accept()[0],),
                                     daemon=True).start()

        with socket.create_server(("127.0.0.1", 0)) as front:
            threading.Thread(target=accept, daemon=True).start()
            dsn = f"host=127.0.0.1 port={front.getsockname()[1]} user=u dbname=d sslmode=disable"
            with postgres_support.exporter(None, dsn=dsn) as exporter:
                began = time.monotonic()
                while time.monotonic() - began < 6:
                    text, took = postgres_support.scrape(exporter, timeout=5)
                    self.assertLess(took, 5)
                    self.assertEqual(support.value(text, "pg_up"), 0)
                    time.sleep(0.5)
                status = pathlib.Path(f"/proc/{exporter.pid}/status").read_text()
                self.assertLess(int(re.search(r"VmHWM:\s+(\d+)", status)[1]), 40_000, "kB")
                self.assertIn("sent more than a login", exporter.output())
            front.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    unittest.main()
