"""Every built-in collector on real servers of PostgreSQL, as a plain member of pg_monitor.

12, 15 and 18 (a standby of 15: postgres_standby_test.py); MATRIX=1 in the environment: all of 12 to
18. Values are compared with load that the test makes, and the families with
tests/golden/postgres/NN.txt (UPDATE_GOLDEN=1 writes them).
"""

import math
import os
import tomllib
import unittest

import support
from postgres_majors import Major, background, samples

MAJORS = range(12, 19) if os.environ.get("MATRIX") == "1" else (12, 15, 18)
COLLECTORS = support.ROOT / "exporters/postgres/collectors"
GOLDEN = support.ROOT / "tests/golden/postgres"


def definitions():
    """The built-ins' TOML by name."""
    found = {}
    for path in sorted(COLLECTORS.glob("*.toml")):
        for query in tomllib.loads(path.read_text())["postgres"]["queries"]:
            found[query["name"]] = query
    return found


class Majors(Major):
    """The tests of one major; below there is a class for each."""

    def test_every_built_in_runs_without_an_error(self):
        text = self.watch.text()
        off = {dict(labels)["collector"]: dict(labels)["reason"]
               for labels in samples(text, "sidecar_collector_disabled")}
        expected_off = {"stat_checkpointer": "unsupported"} if self.major < 17 else {}
        self.assertEqual(off, expected_off)
        successes = support.successes(text, "pg")
        self.assertLessEqual(definitions().keys(), successes.keys())
        self.assertEqual({name for name, value in successes.items() if value != 1}, set(),
                         self.watch.exporter.output())
        self.assertEqual(samples(text, "sidecar_collector_errors_total"), {})

    def test_families_are_the_reviewed_ones(self):
        # A slot, a vacuum and blocked sessions are other tests' business: their families come and go.
        with self.busy():
            text = self.watch.text()
        lines = []
        for name, family in support.parse(text).items():
            if not name.startswith("pg_") or name.startswith(("pg_settings_", "pg_scrape_")):
                continue
            labels = {tuple(key for key, _ in pairs) for _, pairs in family.samples}
            for keys in sorted(labels):
                lines.append(f"{name} {family.type} {','.join(keys)}".rstrip())
        actual = "\n".join(sorted(lines)) + "\n"
        path = GOLDEN / f"{self.major}.txt"
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual)
        self.maxDiff = None
        self.assertEqual(actual.splitlines(), path.read_text().splitlines())

    def test_counts_locks_by_mode_and_database(self):
        with self.server.held("BEGIN", "LOCK TABLE stock IN SHARE ROW EXCLUSIVE MODE",
                              "LOCK TABLE empty IN SHARE ROW EXCLUSIVE MODE", database="app"):
            text = self.watch.text()
        self.assertEqual(support.value(text, "pg_locks_count", datname="app",
                                       mode="sharerowexclusivelock"), 2)
        self.assertEqual(support.value(text, "pg_locks_count", datname="other",
                                       mode="sharerowexclusivelock"), 0)
        self.assertEqual(support.value(text, "pg_locks", datname="app", locktype="relation",
                                       mode="sharerowexclusivelock", granted="true"), 2)
        databases = self.number("SELECT count(*) FROM pg_database")
        self.assertEqual(len(samples(text, "pg_locks_count")), 9 * databases)

    def test_walks_the_chain_of_blocked_sessions_to_its_root(self):
        update = "UPDATE stock SET name = 'b' WHERE id = "
        self.assertEqual(self.watch.value("pg_lock_chain_max_depth"), 0)
        with self.server.held("BEGIN", update + "1", database="app"), \
                background(self.server, f"BEGIN; {update} 2; {update} 1"):
            self.watch.eventually(self, "pg_blocked_backends", 1, datname="app",
                                  locktype="transactionid")
            with background(self.server, update + "2"):
                self.watch.eventually(self, "pg_lock_chain_max_depth", 2)
                text = self.watch.text()
                self.assertEqual(support.value(text, "pg_blocking_root_backends", datname="app",
                                               state="idle in transaction"), 1)
                self.assertEqual(sum(samples(text, "pg_blocked_backends").values()), 2)
                self.watch.eventually(self, "pg_lock_wait_max_seconds", lambda n: n > 0.5,
                                      datname="app")

    def test_names_a_prepared_transaction_as_the_root(self):
        self.sql("BEGIN; UPDATE stock SET name = 'p' WHERE id = 5; PREPARE TRANSACTION 'p'")
        try:
            with background(self.server, "UPDATE stock SET name = 'q' WHERE id = 5"):
                self.watch.eventually(self, "pg_blocking_root_backends", 1,
                                      state="prepared transaction")
        finally:
            self.sql("ROLLBACK PREPARED 'p'")

    def test_counts_rows_of_tables(self):
        self.sql("DROP TABLE IF EXISTS counted",
                 "CREATE TABLE counted (id int PRIMARY KEY) WITH (autovacuum_enabled = off)",
                 "INSERT INTO counted SELECT generate_series(1, 500)",
                 "DELETE FROM counted WHERE id > 400", "SELECT count(*) FROM counted",
                 "SELECT * FROM counted WHERE id = 7")
        where = {"datname": "app", "schemaname": "public", "relname": "counted"}
        self.watch.eventually(self, "pg_stat_user_tables_n_dead_tup", 100, **where)
        text = self.watch.text()
        for name, expected in (("n_tup_ins", 500), ("n_tup_del", 100), ("n_live_tup", 400),
                               ("last_vacuum", 0), ("vacuum_count", 0)):
            self.assertEqual(support.value(text, "pg_stat_user_tables_" + name, **where), expected,
                             name)
        self.assertGreaterEqual(support.value(text, "pg_stat_user_tables_seq_scan", **where), 1)
        total = sum(value for labels, value in samples(text, "pg_stat_user_tables_n_dead_tup").items()
                    if ("datname", "app") in labels)
        self.assertEqual(support.value(text, "pg_stat_user_tables_sum_n_dead_tup", datname="app"),
                         total)
        self.watch.eventually(self, "pg_statio_user_tables_heap_blocks_hit", lambda n: n > 0,
                              **where)
        self.sql("VACUUM counted")
        self.watch.eventually(self, "pg_stat_user_tables_n_dead_tup", 0, **where)
        self.watch.eventually(self, "pg_stat_user_tables_vacuum_count", 1, **where)

    def test_gives_sizes_as_the_server_does(self):
        self.sql("CHECKPOINT")
        where = {"datname": "app", "schemaname": "public", "relname": "stock"}
        self.watch.eventually(self, "pg_stat_user_tables_table_size_bytes",
                              self.number("SELECT pg_table_size('stock')"), **where)
        self.assertEqual(self.watch.value("pg_stat_user_tables_index_size_bytes", **where),
                         self.number("SELECT pg_indexes_size('stock')"))
        self.watch.eventually(self, "pg_database_size_bytes",
                              self.number("SELECT pg_database_size('other')"), datname="other")

    def test_says_that_a_table_is_locked_and_sizes_the_others(self):
        with self.server.held("BEGIN", "LOCK TABLE empty IN ACCESS EXCLUSIVE MODE",
                              database="app"):
            self.watch.eventually(self, "pg_table_locked", 1, datname="app", relname="empty")
            text = self.watch.text()
            self.assertIsNone(support.value(text, "pg_stat_user_tables_table_size_bytes",
                                            datname="app", relname="empty"))
            self.assertIsNotNone(support.value(text, "pg_stat_user_tables_table_size_bytes",
                                               datname="app", relname="stock"))
            self.assertEqual(support.successes(text, "pg")["table_size"], 1)
        self.watch.eventually(self, "pg_table_locked", 0, datname="app", relname="empty")

    def test_sees_a_long_transaction(self):
        with self.server.held("BEGIN", "SELECT 1", database="other"):
            idle = {"datname": "other", "state": "idle in transaction",
                    "application_name": "held", "usename": "postgres"}
            self.assertEqual(self.watch.value("pg_stat_activity_count", **idle), 1)
            self.watch.eventually(self, "pg_stat_activity_max_tx_duration", lambda n: n > 1, **idle)
            text = self.watch.text()
            self.assertGreaterEqual(support.value(text, "pg_long_running_transactions"), 1)
            self.assertGreater(
                support.value(text, "pg_long_running_transactions_oldest_timestamp_seconds"), 1)
            self.assertGreater(support.value(
                text, "pg_activity_max_idle_in_transaction_seconds", datname="other"), 1)
            self.assertEqual(support.value(text, "pg_backends", backend_type="client backend",
                                           state="idle in transaction"), 1)
        self.watch.eventually(self, "pg_stat_activity_count", 0, datname="other",
                              state="idle in transaction")

    def test_sees_what_a_slot_holds_back(self):
        self.sql("SELECT pg_create_physical_replication_slot('held', true)",
                 "SELECT pg_create_logical_replication_slot('logical', 'pgoutput')")
        try:
            self.sql("INSERT INTO stock SELECT n, repeat('y', 1000)"
                     " FROM generate_series(2000, 3000) AS n")
            text = self.watch.text()
            self.assertGreater(support.value(
                text, "pg_replication_slots_pg_wal_lsn_diff", slot_name="held"), 1_000_000)
            self.assertEqual(support.value(text, "pg_replication_slots_active", slot_name="held",
                                           database=""), 0)
            self.assertEqual(support.value(text, "pg_replication_slots_slot_is_active",
                                           slot_name="logical", slot_type="logical"), 0)
            self.assertGreater(support.value(text, "pg_replication_slots_unconfirmed_bytes",
                                             slot_name="logical"), 1_000_000)
            if self.major >= 13:
                self.assertEqual(support.value(text, "pg_replication_slots_wal_status",
                                               slot_name="held", wal_status="reserved"), 1)
        finally:
            self.sql("SELECT pg_drop_replication_slot('held')",
                     "SELECT pg_drop_replication_slot('logical')",
                     "DELETE FROM stock WHERE id >= 2000")

    def test_follows_a_vacuum(self):
        with self.vacuum():
            # Known by its name in the database of the DSN only.
            oid = self.sql("SELECT 'wide'::regclass::oid")[0][0]
            where = {"datname": "app", "relname": oid}
            self.watch.eventually(self, "pg_stat_progress_vacuum_phase", 1, phase="scanning heap",
                                  **where)
            text = self.watch.text()
            self.assertEqual(len(samples(text, "pg_stat_progress_vacuum_phase")), 7)
            self.assertEqual(support.value(text, "pg_stat_progress_vacuum_heap_blks", **where),
                             self.number("SELECT pg_relation_size('wide') / 8192"))
            self.watch.eventually(self, "pg_stat_progress_vacuum_heap_blks_scanned",
                                  lambda n: n > 2, **where)
            # Tuples, not bytes: there are a thousand dead ones.
            dead = self.watch.value("pg_stat_progress_vacuum_num_dead_tuples", **where)
            self.assertLessEqual(dead, 1_000)
            successes = support.successes(self.watch.text(), "pg")
            self.assertEqual(successes["stat_progress_vacuum"], 1, self.watch.exporter.output())

    def test_counts_checkpoints_over_the_move_of_17(self):
        def requested():
            return self.watch.value("pg_stat_bgwriter_checkpoints_req_total")
        before = requested()
        self.sql("CHECKPOINT", "CHECKPOINT")
        self.watch.eventually(self, "pg_stat_bgwriter_checkpoints_req_total",
                              lambda n: n >= before + 2)
        for name in ("checkpoints_timed", "checkpoint_write_time", "buffers_checkpoint",
                     "buffers_clean", "buffers_backend", "buffers_backend_fsync", "buffers_alloc",
                     "stats_reset"):
            self.assertIsNotNone(self.watch.value(f"pg_stat_bgwriter_{name}_total"), name)
        if self.major >= 17:
            self.assertGreaterEqual(
                self.watch.value("pg_stat_checkpointer_num_requested_total"), before + 2)

    def test_counts_what_a_database_does(self):
        where = {"datname": "other"}
        before = self.watch.value("pg_stat_database_xact_rollback", **where)
        self.sql("BEGIN", "SELECT 1", "ROLLBACK", database="other")
        self.sql("DROP TABLE IF EXISTS t", "CREATE TABLE t AS SELECT generate_series(1, 321)",
                 database="other")
        self.watch.eventually(self, "pg_stat_database_xact_rollback", before + 1, **where)
        self.watch.eventually(self, "pg_stat_database_tup_inserted", lambda n: n >= 321, **where)
        datid = self.sql("SELECT oid FROM pg_database WHERE datname = 'other'")[0][0]
        self.assertEqual(self.watch.value("pg_stat_database_numbackends", datid=datid), 0)

    def test_counts_statements_and_sums_up_the_others(self):
        for _ in range(7):
            self.sql("SELECT count(*) AS distinctive FROM stock WHERE id > 12")
        queryid, = self.sql("SELECT queryid FROM pg_stat_statements WHERE query LIKE"
                            " '%AS distinctive FROM stock%' AND query NOT LIKE '%LIKE%'",
                            database="postgres")[0]
        where = {"datname": "app", "user": "postgres", "queryid": queryid}
        self.watch.eventually(self, "pg_stat_statements_calls_total", lambda n: n >= 7, **where)
        text = self.watch.text()
        self.assertGreaterEqual(support.value(text, "pg_stat_statements_rows_total", **where), 7)
        self.assertGreater(support.value(text, "pg_stat_statements_seconds_total", **where), 0)
        self.assertIsNotNone(support.value(text, "pg_stat_statements_calls_total", datname="app",
                                           queryid="other"))

    def test_names_settings_with_their_units(self):
        text = self.watch.text()
        rows = self.server.sql("SELECT name, setting, coalesce(unit, ''), vartype FROM pg_settings"
                               " WHERE vartype IN ('bool', 'integer', 'real')")
        factors = {"": 1, "8kB": 8192, "kB": 1024, "MB": 2 ** 20, "B": 1, "ms": 0.001, "s": 1,
                   "min": 60}
        ours = {name: family.samples[(name, ())] for name, family in support.parse(text).items()
                if name.startswith("pg_settings_") and name != "pg_settings_pending_restart"}
        self.assertEqual(len(ours), len(rows))
        for name, setting, unit, vartype in rows:
            metric = "pg_settings_" + name.replace(".", "_").replace("-", "_")
            metric += "_bytes" if unit.endswith("B") else "_seconds" if unit else ""
            value = ours[metric]
            if name in SESSION_SETTINGS:  # of our own session, not of psql's
                continue
            expected = float(setting == "on") if vartype == "bool" else float(setting)
            expected = expected if expected == -1 else expected * factors[unit]
            self.assertTrue(math.isclose(value, expected, rel_tol=1e-12), f"{metric} {value}")

    def test_gives_the_servers_own_dates_and_limits(self):
        self.sql("CREATE ROLE limited CONNECTION LIMIT 7 VALID UNTIL '2031-01-01 00:00:00Z'",
                 "ALTER DATABASE other CONNECTION LIMIT 33")
        try:
            text = self.watch.text()
            self.assertEqual(support.value(text, "pg_roles_connection_limit", rolname="limited"), 7)
            self.assertEqual(support.value(text, "pg_roles_password_valid_until_seconds",
                                           rolname="limited"), 1924992000)
            self.assertEqual(support.value(text, "pg_database_connection_limit", datname="other"),
                             33)
            self.assertEqual(support.value(text, "pg_database_is_template", datname="template1"), 1)
            started = self.number("SELECT extract(epoch FROM pg_postmaster_start_time())")
            self.assertAlmostEqual(support.value(text, "pg_postmaster_start_time_seconds"), started,
                                   places=3)
            self.assertEqual(support.value(text, "pg_replication_is_replica"), 0)
            self.assertEqual(support.value(text, "pg_replication_lag_seconds"), 0)
        finally:
            self.sql("DROP ROLE limited", "ALTER DATABASE other CONNECTION LIMIT -1")

    def test_counts_wal(self):
        count, size = self.sql("SELECT count(*), sum(size) FROM pg_ls_waldir()"
                               " WHERE name ~ '^[0-9A-F]{24}$'")[0]
        self.watch.eventually(self, "pg_wal_segments", float(count))
        self.assertEqual(self.watch.value("pg_wal_size_bytes"), float(size))
        before = self.watch.value("pg_wal_lsn_bytes")
        self.sql("SELECT pg_logical_emit_message(true, 'x', repeat('x', 100000))")  # flushed with it
        self.watch.eventually(self, "pg_wal_lsn_bytes", lambda n: n >= before + 100_000)
        self.assertEqual(self.watch.value("pg_stat_archiver_archived_count"), 0)
        self.assertIsNone(self.watch.value("pg_stat_archiver_last_archive_age"))


# Of the role that asks.
SESSION_SETTINGS = {"is_superuser"}

for _major in MAJORS:
    globals()[f"Postgres{_major}"] = type(
        f"Postgres{_major}", (Majors, unittest.TestCase), {"major": _major})


if __name__ == "__main__":
    unittest.main()
