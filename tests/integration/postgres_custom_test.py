"""Users' queries: a DBA's path from ten lines of TOML to a metric, copies of built-ins, the orders
example."""

import contextlib
import math
import os
import pathlib
import re
import signal
import tomllib
import unittest

import postgres_support
import support

README = support.ROOT / "exporters/postgres/README.md"
COLLECTORS = support.ROOT / "exporters/postgres/collectors"
ORDERS = support.ROOT / "deploy/collectors/orders.toml"
DEMO = support.ROOT / "deploy/demo"
EXPORTER = support.binary("postgres-exporter")


def lines_of(text, families):
    """The samples of these families as they stand there."""
    return sorted(line for line in text.splitlines()
                  if re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", line)
                  and re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", line)[0] in families)


def environment(server):
    return {**{key: text for key, text in os.environ.items() if not key.startswith("PG")},
            "DATA_SOURCE_NAME": server.dsn()}


class WithServer(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.classes = contextlib.ExitStack()
        cls.addClassCleanup(cls.classes.close)
        cls.server = cls.classes.enter_context(
            postgres_support.Server(15, settings=("autovacuum = off", "wal_level = logical"))
        ).monitor_role()

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = self.stack.enter_context(support.scratch())

    def exporter(self, *flags):
        return self.stack.enter_context(postgres_support.exporter(
            self.server, f"--config.dir={self.folder}", *flags))

    def check(self):
        return support.run([EXPORTER, f"--config.dir={self.folder}", "--config.check"],
                           env=environment(self.server))


class DbasPath(WithServer):
    """What exporters/postgres/README.md says, word for word."""

    def test_a_metric_from_ten_lines_checked_and_live_after_sighup(self):
        section = README.read_text().split("## Write your own collector")[1]
        toml = re.search(r"```toml\n(.*?)```", section, re.S)[1]
        self.assertEqual(len(toml.splitlines()), 10)
        self.server.sql("CREATE TABLE jobs (queue text, added timestamptz DEFAULT now())",
                        "INSERT INTO jobs VALUES ('mail'), ('mail'), ('print')")
        exporter = self.exporter()
        self.assertIsNone(support.value(exporter.scrape().text, "jobs_waiting"))
        (self.folder / "queues.toml").write_text(toml)

        checked = self.check()
        self.assertEqual(checked.returncode, 0, checked.stderr)
        said = next(line for line in (checked.stdout + checked.stderr).splitlines()
                    if "queues" in line)
        self.assertNotIn("runs", said)
        self.assertIn("permission denied", said)

        self.server.sql("GRANT SELECT ON jobs TO monitor")
        checked = self.check()
        self.assertRegex(checked.stdout + checked.stderr, r"queues.*runs")

        pid = exporter.pid
        exporter.popen.send_signal(signal.SIGHUP)
        text = support.wait_for(lambda: self.shown(exporter), 10, "the metric is there")
        self.assertEqual(support.value(text, "jobs_waiting", queue="mail"), 2)
        self.assertEqual(support.value(text, "jobs_waiting", queue="print"), 1)
        self.assertGreater(support.value(text, "jobs_oldest_seconds", queue="mail"), 0)
        self.assertEqual(support.successes(text, "pg")["queues"], 1)
        self.assertEqual(exporter.pid, pid)

    @staticmethod
    def shown(exporter):
        text = exporter.scrape().text
        return text if support.value(text, "jobs_waiting") is not None else None


class Copies(WithServer):
    """A built-in's TOML under another name gives the same bytes, but for those that C++ reads."""

    def test_each_copy_gives_byte_identical_samples(self):
        self.server.sql("CREATE TABLE t AS SELECT generate_series(1, 100)",
                        "SELECT pg_create_physical_replication_slot('s', true)")
        families = {}
        read_by_cpp = set()
        quick = ""
        for path in sorted(COLLECTORS.glob("*.toml")):
            toml = path.read_text()
            query, = tomllib.loads(toml)["postgres"]["queries"]
            name = query["name"]
            self.assertEqual("metrics" not in query, name in READ_BY_CPP, name)
            if name in READ_BY_CPP:
                read_by_cpp.add(name)
                continue
            families[name] = {metric["name"] for metric in query["metrics"]}
            copy, count = re.subn(f'^name = "{name}"$', f'name = "copy_{name}"', toml, flags=re.M)
            self.assertEqual(count, 1)
            if "interval" in query:
                copy = re.sub(r'^interval = ".*"$', 'interval = "1s"', copy, flags=re.M)
                quick += f'[postgres.collectors.{name}]\ninterval = "1s"\n'
            (self.folder / path.name).write_text(copy)
        self.assertEqual(read_by_cpp, READ_BY_CPP)
        (self.folder / "quick.toml").write_text(quick)
        exporter = self.exporter()
        self.assertGreater(len(families), 20)
        for name, names in families.items():
            with self.subTest(name):
                self.compare(exporter, name, names)

    def test_the_three_whose_rows_cpp_reads_are_refused_under_another_name(self):
        for name in sorted(READ_BY_CPP):
            with self.subTest(name):
                toml = (COLLECTORS / f"{name}.toml").read_text()
                mine = self.folder / "mine.toml"
                mine.write_text(toml.replace(f'name = "{name}"', f'name = "copy_{name}"'))
                checked = self.check()
                self.assertNotEqual(checked.returncode, 0)
                self.assertIn("'metrics' is missing", checked.stdout + checked.stderr)
                self.assertIn(f"`{name}`", README.read_text())

    def compare(self, exporter, name, names):
        """Counters of the server move between two scrapes: soon enough two of them agree."""
        seen = []

        def agree():
            seen[:] = [lines_of(exporter.scrape(f"/metrics?collect[]={which}").text, names)
                       for which in (name, "copy_" + name)]
            return seen[0] == seen[1] and (seen[0] or name in QUIET)
        try:
            support.wait_for(agree, 15, name)
        except AssertionError:
            self.assertEqual(*seen)
            self.fail(f"{name} has no samples")


READ_BY_CPP = {"blocking", "settings", "stat_statements"}

# Those that have no rows on a quiet primary of 15.
QUIET = {"stat_checkpointer", "stat_progress_vacuum", "stat_replication"}


class Generator(unittest.TestCase):
    """A malformed built-in fails the build, with its line."""

    def test_says_file_and_line_and_writes_nothing(self):
        with support.scratch() as folder:
            (folder / "bad.toml").write_text('[[postgres.queries]]\nname = "bad"\n'
                                             'sumary = "S."\nsql = "SELECT 1 /*!v13 , x */"\n')
            done = support.run([support.RELEASE / "exporters/postgres/generate_builtins",
                                folder / "out.cc", COLLECTORS / "locks.toml", folder / "bad.toml"])
            self.assertEqual(done.returncode, 1)
            self.assertIn("bad.toml:3: unknown key 'sumary'", done.stderr)
            self.assertIn("bad.toml:4: 'sql': a version comment is", done.stderr)
            self.assertFalse((folder / "out.cc").exists())


class Replacing(WithServer):
    """A user's query of a built-in's name takes its place."""

    def test_a_query_of_a_built_ins_name_replaces_it_and_a_table_disables_one(self):
        (self.folder / "mine.toml").write_text("""
[[postgres.queries]]
name = "roles"
sql = "SELECT count(*) AS my_roles FROM pg_roles"
metrics = [{ name = "my_roles", type = "gauge", help = "Roles." }]
[postgres.collectors.locks]
enabled = false
""")
        text = self.exporter().scrape().text
        self.assertGreater(support.value(text, "my_roles"), 5)
        self.assertIsNone(support.value(text, "pg_roles_connection_limit"))
        self.assertIsNone(support.value(text, "pg_locks_count"))
        self.assertNotIn("locks", support.successes(text, "pg"))
        self.assertEqual(support.successes(text, "pg")["roles"], 1)


class Counters(WithServer):
    """A counter below 0 would be a reset to Prometheus at each step down."""

    def test_a_counter_below_zero_costs_its_collector_only(self):
        (self.folder / "mine.toml").write_text("""
[[postgres.queries]]
name = "below"
sql = "SELECT -5 AS below_total"
metrics = [{ name = "below_total", type = "counter", help = "Below." }]
[[postgres.queries]]
name = "above"
sql = "SELECT 5 AS above_total"
metrics = [{ name = "above_total", type = "counter", help = "Above." }]
""")
        text = self.exporter().scrape().text
        self.assertIsNone(support.value(text, "below_total"))
        self.assertEqual(support.value(text, "above_total"), 5)
        self.assertEqual(support.successes(text, "pg")["below"], 0)
        self.assertEqual(support.successes(text, "pg")["above"], 1)
        self.assertGreaterEqual(support.value(text, "sidecar_collector_errors_total",
                                              collector="below", reason="parse"), 1)


class Orders(WithServer):
    """deploy/collectors/orders.toml on the schema and load of deploy/demo."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.sql("CREATE DATABASE orders")
        cls.run_script("orders.sql")
        for _ in range(30):
            cls.run_script("orders_load.sql")

    @classmethod
    def run_script(cls, name):
        done = support.run(["psql", "-Xq", "-f", DEMO / name,
                            cls.server.dsn("postgres", "orders")])
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def orders(self, statement):
        return float(self.server.sql(statement, database="orders")[0][0])

    def watched(self):
        toml = ORDERS.read_text()
        (self.folder / "orders.toml").write_text(re.sub(r'"15s"', '"1s"', toml))
        return self.exporter()

    def eventually(self, exporter, name, expected, **labels):
        last = None

        def holds():
            nonlocal last
            last = support.value(exporter.scrape().text, name, **labels)
            return last == expected
        try:
            support.wait_for(holds, 10, name)
        except AssertionError:
            self.fail(f"{name}{labels} is {last}, not {expected}")

    def compare(self, exporter):
        """With what the tables say."""
        self.eventually(exporter, "orders_created_total",
                        self.orders("SELECT last_value FROM orders_id_seq"))
        for status in ("pending", "processing", "shipped", "completed", "failed"):
            self.eventually(exporter, "orders_by_status", self.orders(
                f"SELECT count(*) FROM orders WHERE status = '{status}'"), status=status)
        self.eventually(exporter, "inventory_level", self.orders(
            "SELECT level FROM inventory WHERE sku = 'sku-3'"), sku="sku-3")

    def test_serves_the_first_users_metrics(self):
        exporter = self.watched()
        self.compare(exporter)
        text = exporter.scrape().text
        families = support.parse(text)
        for name, kind, labels in (
                ("orders_created_total", "counter", {()}),
                ("orders_by_status", "gauge", {("status",)}),
                ("order_processing_seconds", "histogram", {(), ("le",)}),
                ("shipping_arrangement_seconds", "histogram", {(), ("le",)}),
                ("order_processing_errors_total", "counter", {()}),
                ("payments_processed_total", "counter", {("status",)}),
                ("inventory_level", "gauge", {("sku",)}),
                ("inventory_updates_total", "counter", {()})):
            self.assertEqual(families[name].type, kind, name)
            self.assertEqual({tuple(key for key, _ in pairs)
                              for _, pairs in families[name].samples}, labels, name)
        self.assertEqual(
            self.bounds(families["order_processing_seconds"]),
            [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 600, 1800, math.inf])
        self.assertEqual(self.bounds(families["shipping_arrangement_seconds"]),
                         [0, 60, 120, 180, 240, 300, math.inf])
        for bound in ("60.0", "270.0", "600.0"):
            self.assertEqual(
                support.value(text, "order_processing_seconds_bucket", le=bound),
                self.orders("SELECT count(*) + deleted('order_processing_seconds',"
                            f" '{float(bound):.0f}') FROM orders"
                            f" WHERE completed_at - created_at <= {bound} * interval '1 second'"))
        self.assertEqual(support.value(text, "payments_processed_total", status="failure"),
                         self.orders("SELECT count(*) + deleted('payments_processed_total',"
                                     " 'failure') FROM payments WHERE status = 'failure'"))
        openmetrics = exporter.scrape(accept=support.OPENMETRICS).text
        self.assertRegex(openmetrics, r'order_processing_seconds_bucket\{le="[^"]+"\} \d+ # '
                                      r'\{trace_id="[0-9a-f]{32}"\} [\d.]+ \d+')

    @staticmethod
    def bounds(family):
        return [float(dict(pairs)["le"]) for name, pairs in family.samples if name.endswith("_bucket")]

    def test_counters_stay_when_rows_are_purged(self):
        exporter = self.watched()
        self.compare(exporter)
        counted = ("orders_created_total", "order_processing_errors_total",
                   "payments_processed_total", "order_processing_seconds",
                   "shipping_arrangement_seconds", "inventory_updates_total")
        before = {name: support.parse(exporter.scrape().text)[name].samples for name in counted}
        self.server.sql("DELETE FROM orders WHERE id % 3 <> 0", "DELETE FROM order_errors",
                        "TRUNCATE payments", "DELETE FROM shipments", "TRUNCATE inventory_updates",
                        database="orders")
        self.eventually(exporter, "orders_by_status", self.orders(
            "SELECT count(*) FROM orders WHERE status = 'completed'"), status="completed")
        support.wait_for(lambda: support.value(
            exporter.scrape().text, "pg_scrape_collector_database_age_seconds",
            collector="orders_inventory") is not None, 10, "ages")
        for _ in range(2):
            self.run_script("orders_load.sql")
        self.compare(exporter)
        after = {name: support.parse(exporter.scrape().text)[name].samples for name in counted}
        for name in counted:
            for key, value in before[name].items():
                self.assertGreaterEqual(after[name][key], value - 1e-6, key)


class Statements(WithServer):
    """pg_stat_statements comes with CREATE EXTENSION, and shows as many as it is told to."""

    @classmethod
    def setUpClass(cls):
        cls.classes = contextlib.ExitStack()
        cls.addClassCleanup(cls.classes.close)
        cls.server = cls.classes.enter_context(postgres_support.Server(15, settings=(
            "autovacuum = off", "shared_preload_libraries = 'pg_stat_statements'"))).monitor_role()

    def test_comes_by_itself_after_create_extension_and_its_others_never_fall(self):
        (self.folder / "p.toml").write_text(
            '[postgres]\nrefresh_interval = "1s"\n[postgres.collectors.stat_statements]\n'
            'interval = "1s"\nlimit = 1\n')
        exporter = self.exporter()

        def text():
            return exporter.scrape().text
        support.wait_for(lambda: support.value(
            text(), "sidecar_collector_disabled", collector="stat_statements",
            reason="unsupported") == 1, 10, "it does not apply without the extension")
        self.assertNotIn("pg_stat_statements_calls_total", text())
        self.server.sql("CREATE EXTENSION pg_stat_statements")
        support.wait_for(lambda: "pg_stat_statements_calls_total" in text(), 10,
                         "it is there after CREATE EXTENSION")
        self.assertIsNone(support.value(text(), "sidecar_collector_disabled",
                                        collector="stat_statements"))
        before = 0
        for n in range(4):
            self.server.sql(*[f"SELECT {n} + {m} AS c{n}" for m in range(3)])
            others = support.wait_for(
                lambda least=before: self.others(text(), least), 10, "the others grow")
            self.assertGreater(others, before)
            before = others

    @staticmethod
    def others(text, least):
        calls = sum(number for (_, labels), number in
                    support.parse(text)["pg_stat_statements_calls_total"].samples.items()
                    if dict(labels)["queryid"] == "other")
        return calls if calls > least else None


if __name__ == "__main__":
    unittest.main()
