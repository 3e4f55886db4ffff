"""A thousand tables in each of twenty databases: with the limit as shipped, where the largest tables
stay and what is cut is counted, and with the limit raised, where all are there. Never more connections
than the budget."""

import contextlib
import unittest

import postgres_support
import support

DATABASES, TABLES = 20, 1_000
SHIPPED = 50_000
COLLECTORS = ("stat_user_tables", "statio_user_tables", "table_size")
# Every table in pg_class is a page more than the one before it, so that ranking has a right answer.
SCHEMA = f"""
DO $$ BEGIN
  FOR n IN 1..{TABLES} LOOP
    EXECUTE format('CREATE TABLE t%s (id int) WITH (autovacuum_enabled = off)', n);
  END LOOP;
END $$;
INSERT INTO t1 SELECT generate_series(1, 300);
"""
RANKED = "UPDATE pg_class SET relpages = substr(relname, 2)::int WHERE relname ~ '^t[0-9]+$'"


def make_databases(server):
    """In about ten seconds: one is made, the others are copies of its files."""
    server.sql("CREATE DATABASE d1")
    server.sql(SCHEMA, RANKED, database="d1", timeout=120)
    for n in range(2, DATABASES + 1):
        server.sql(f"CREATE DATABASE d{n} TEMPLATE d1 STRATEGY file_copy", timeout=120)


def configuration(server, limit=None, interval=None):
    toml = f'[postgres]\ndsn = "{server.dsn()}"\n'
    for name in COLLECTORS:
        toml += f"[postgres.collectors.{name}]\n"
        if interval:
            toml += f'interval = "{interval}"\nmax_age = "5m"\n'
        if limit:
            toml += f"series_limit = {limit}\n"
    return toml


class Visited:
    """What is asked of one scrape after every database has been read."""

    def __init__(self, server, exporter):
        sessions = postgres_support.Sessions(server)

        def all_read():
            sessions.look()
            return self.databases_of(exporter.scrape("/metrics?collect[]=table_size").text,
                                     "table_size") == DATABASES + 1
        support.wait_for(all_read, 120, "every database is read")
        self.text, self.seconds = postgres_support.scrape(exporter, timeout=30)
        # A second round, in which each database knows what the others need.
        self.most_sessions = sessions.look()
        self.families = {}
        for line in self.text.splitlines():
            if line.startswith(("pg_stat_user_tables_n_live_tup{", "pg_stat_user_tables_sum_",
                                "pg_stat_user_tables_table_size_bytes{")):
                name, rest = line.split("{", 1)
                self.families.setdefault(name, []).append(rest)

    @staticmethod
    def databases_of(text, collector):
        return sum(1 for line in text.splitlines()
                   if line.startswith("pg_scrape_collector_database_age_seconds{")
                   and f'collector="{collector}"' in line)


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.server = cls.stack.enter_context(postgres_support.Server(15, settings=(
            "autovacuum = off", "allow_system_table_mods = on"))).monitor_role()
        make_databases(cls.server)

    def visited(self, limit=None):
        folder = self.stack.enter_context(support.scratch())
        exporter = self.stack.enter_context(postgres_support.exporter(
            self.server, folder=folder, config=configuration(self.server, limit, "5s")))
        self.addCleanup(exporter.end)
        return exporter, Visited(self.server, exporter)

    def test_as_shipped_the_largest_stay_and_what_is_cut_is_counted(self):
        exporter, visited = self.visited()
        self.assertLessEqual(visited.most_sessions, 4)
        self.assertLess(visited.seconds, 5)
        successes = support.successes(visited.text, "pg")
        self.assertEqual({name: successes[name] for name in COLLECTORS},
                         {name: 1 for name in COLLECTORS}, exporter.output())
        for name in COLLECTORS:
            samples = support.value(visited.text, "sidecar_collector_samples", collector=name)
            self.assertLessEqual(samples, SHIPPED + 3 * DATABASES)
            self.assertGreater(samples, 0.7 * SHIPPED, name)
        for name in ("stat_user_tables", "statio_user_tables"):
            self.assertGreater(support.value(
                visited.text, "sidecar_collector_series_dropped_total", collector=name,
                reason="limit"), 0)
        # Of each database the largest, whole, and the sums over all its tables.
        sums = [rest for rest in visited.families["pg_stat_user_tables_sum_n_live_tup"]
                if rest.startswith('datname="d')]
        self.assertEqual(len(sums), DATABASES)
        for n in range(1, DATABASES + 1):
            shown = sorted(int(rest.split('relname="t')[1].split('"')[0])
                           for rest in visited.families["pg_stat_user_tables_n_live_tup"]
                           if rest.startswith(f'datname="d{n}"'))
            self.assertGreater(len(shown), 20, f"d{n}")
            self.assertEqual(shown, list(range(TABLES + 1 - len(shown), TABLES + 1)), f"d{n}")

    def test_with_the_limit_raised_all_tables_are_there(self):
        exporter, visited = self.visited(2_000_000)
        self.assertLessEqual(visited.most_sessions, 4)
        self.assertLess(visited.seconds, 15)
        self.assertEqual(len(visited.families["pg_stat_user_tables_n_live_tup"]),
                         DATABASES * TABLES, exporter.output())
        self.assertEqual(len(visited.families["pg_stat_user_tables_table_size_bytes"]),
                         DATABASES * TABLES)
        self.assertIn('datname="d1"} 300', visited.families["pg_stat_user_tables_sum_n_live_tup"])
        for name in COLLECTORS:
            self.assertIsNone(support.value(visited.text, "sidecar_collector_series_dropped_total",
                                            collector=name, reason="limit"), name)


if __name__ == "__main__":
    unittest.main()
