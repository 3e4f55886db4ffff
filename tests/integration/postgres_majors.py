"""A server of one major version for postgres_matrix_test.py: its schema, its load, its exporter."""

import contextlib
import itertools
import subprocess

import postgres_support
import support

NUMBERS = itertools.count()
SETTINGS = ("shared_preload_libraries = 'pg_stat_statements'", "wal_level = logical",
            "track_io_timing = on", "autovacuum = off", "max_prepared_transactions = 5",
            "max_replication_slots = 10", "max_wal_senders = 10")
# Those that run in the background do so often enough for a test.
QUICK = "".join(f"""
[postgres.collectors.{name}]
interval = "1s"
""" for name in ("database_size", "settings", "stat_statements", "stat_user_tables",
                 "statio_user_tables", "table_size", "wal"))
SCHEMA = """
CREATE TABLE stock (id int PRIMARY KEY, name text) WITH (autovacuum_enabled = off);
CREATE TABLE empty (id int);
INSERT INTO stock SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS n;
"""


def samples(text, name):
    """Values of a family's samples by their labels (a dict's items, sorted)."""
    return {labels: value for family in support.parse(text).values()
            for (sample, labels), value in family.samples.items() if sample == name}


class Watch:
    """A server with an exporter beside it."""

    def __init__(self, stack, server):
        self.server = server
        folder = stack.enter_context(support.scratch())
        dsn = server.dsn()
        self.exporter = stack.enter_context(postgres_support.exporter(
            server, folder=folder, config=f'[postgres]\ndsn = "{dsn}"\n{QUICK}'))

    def await_all(self):
        """Until what runs in the background has run everywhere: sizes come last."""
        support.wait_for(lambda: self.value("pg_stat_user_tables_table_size_bytes", datname="app",
                                            relname="stock"), 20, "every collector has run")

    def text(self):
        return postgres_support.scrape(self.exporter)[0]

    def value(self, name, **labels):
        return support.value(self.text(), name, **labels)

    def eventually(self, test, name, expected, seconds=8, **labels):
        """That the sample becomes what is expected: a number, or a predicate."""
        last = None

        def holds():
            nonlocal last
            last = self.value(name, **labels)
            if callable(expected):
                return last is not None and expected(last)
            return last == expected
        try:
            support.wait_for(holds, seconds, name)
        except AssertionError:
            test.fail(f"{name}{labels} is {last}, not {expected}")
        return last


@contextlib.contextmanager
def background(server, *statements, database="app"):
    """Statements that wait or last, in a session of their own that ends with the block."""
    name = f"background-{next(NUMBERS)}"
    with subprocess.Popen(
            ["psql", "-XAtq", *(word for statement in statements for word in ("-c", statement)),
             server.dsn("postgres", database, application_name=name)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as psql:
        try:
            yield
        finally:
            # Who waits for a lock does not see that its client has gone.
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                       f" WHERE application_name = '{name}'")
            psql.kill()


class Major:
    """A server of one major version with an exporter beside it, and what the tests do to it."""

    major = 0

    @classmethod
    def setUpClass(cls):
        stack = cls.enterClassContext(contextlib.ExitStack())
        cls.server = stack.enter_context(postgres_support.Server(cls.major, settings=SETTINGS))
        cls.server.monitor_role()
        cls.server.sql("CREATE DATABASE app", "CREATE DATABASE other",
                       "CREATE EXTENSION pg_stat_statements")
        cls.server.sql(SCHEMA, database="app")
        cls.watch = Watch(stack, cls.server)
        cls.watch.await_all()

    def sql(self, *statements, database="app"):
        return self.server.sql(*statements, database=database)

    def number(self, statement, database="app"):
        return float(self.sql(statement, database=database)[0][0])

    @contextlib.contextmanager
    def busy(self):
        """Slots, blocked sessions and a vacuum, so that all families have rows."""
        self.sql("SELECT pg_create_physical_replication_slot('golden', true)",
                 "SELECT pg_create_logical_replication_slot('golden_logical', 'pgoutput')",
                 "CREATE ROLE golden VALID UNTIL '2031-01-01'")
        try:
            with self.server.held("BEGIN", "UPDATE stock SET name = 'y' WHERE id = 900",
                                  database="app"), \
                    background(self.server, "UPDATE stock SET name = 'z' WHERE id = 900"), \
                    self.vacuum():
                self.watch.eventually(self, "pg_blocked_backends", 1, datname="app")
                yield
        finally:
            self.sql("SELECT pg_drop_replication_slot('golden')",
                     "SELECT pg_drop_replication_slot('golden_logical')", "DROP ROLE golden")

    @contextlib.contextmanager
    def vacuum(self):
        """A VACUUM that lasts: 0.1 s after each page."""
        self.sql("DROP TABLE IF EXISTS wide",
                 "CREATE TABLE wide AS SELECT n, repeat('x', 1000) AS t"
                 " FROM generate_series(1, 2000) AS n",
                 "DELETE FROM wide WHERE n % 2 = 0")
        with background(self.server, "SET vacuum_cost_delay = 100",
                              "SET vacuum_cost_limit = 1", "SET vacuum_cost_page_hit = 1",
                              "VACUUM wide"):
            support.wait_for(lambda: self.sql("SELECT 1 FROM pg_stat_progress_vacuum"), 10,
                             "a vacuum runs")
            yield
