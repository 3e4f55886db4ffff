"""A primary of PostgreSQL 15 and its streaming standby, each watched: lag, roles, positions."""

import contextlib
import unittest

import postgres_support
import support
from postgres_majors import SCHEMA, SETTINGS, Watch, samples


class Standby15(unittest.TestCase):
    """A primary of 15 and its streaming standby, each watched."""

    @classmethod
    def setUpClass(cls):
        stack = cls.enterClassContext(contextlib.ExitStack())
        cls.primary = stack.enter_context(postgres_support.Server(15, settings=SETTINGS))
        cls.primary.monitor_role()
        cls.primary.sql("CREATE DATABASE app", "CREATE EXTENSION pg_stat_statements")
        cls.primary.sql(SCHEMA, database="app")
        cls.standby = stack.enter_context(
            postgres_support.Server(15, base=cls.primary, settings=SETTINGS))
        cls.on_primary, cls.on_standby = Watch(stack, cls.primary), Watch(stack, cls.standby)
        cls.on_primary.await_all()
        cls.on_standby.await_all()

    def test_every_built_in_runs_without_an_error(self):
        for watch in (self.on_primary, self.on_standby):
            text = watch.text()
            failed = {name for name, value in support.successes(text, "pg").items() if value != 1}
            self.assertEqual(failed, set(), watch.exporter.output())

    def test_knows_which_is_the_standby(self):
        self.assertEqual(self.on_primary.value("pg_replication_is_replica"), 0)
        text = self.on_standby.text()
        self.assertEqual(support.value(text, "pg_replication_is_replica"), 1)
        self.assertEqual(support.value(text, "pg_replication_receiver_streaming"), 1)
        self.assertEqual(support.value(text, "pg_replication_replay_paused"), 0)
        self.assertEqual(support.value(text, "pg_timeline_id"), 1)

    def test_measures_lag_on_both_sides(self):
        # It has replayed a transaction, so it can tell how old the last one is.
        self.primary.sql("CREATE TABLE before (id int)", database="app")
        support.wait_for(lambda: self.standby.sql("SELECT pg_last_xact_replay_timestamp()")[0][0],
                         10, "a transaction is replayed")
        self.assertEqual(self.on_standby.value("pg_replication_lag_seconds"), 0)
        self.standby.sql("SELECT pg_wal_replay_pause()")
        try:
            support.wait_for(lambda: self.on_standby.value("pg_replication_replay_paused") == 1, 10,
                             "replay is paused")
            self.primary.sql("CREATE TABLE lag AS SELECT repeat('x', 1000) AS t"
                             " FROM generate_series(1, 2000)", "DROP TABLE lag", database="app")
            standby = {"application_name": "walreceiver", "client_addr": "127.0.0.1",
                       "state": "streaming"}
            names = [dict(labels)["application_name"] for labels in
                     samples(self.on_primary.text(), "pg_stat_replication_pg_wal_lsn_diff")]
            standby["application_name"] = names[0]
            self.on_primary.eventually(self, "pg_stat_replication_pg_wal_lsn_diff",
                                       lambda n: n > 1_000_000, **standby)
            self.on_primary.eventually(self, "pg_stat_replication_flush_lsn_diff", 0, **standby)
            self.assertEqual(self.on_primary.value("pg_stat_replication_sync_state",
                                                   sync_state="async"), 1)
            self.on_standby.eventually(self, "pg_replication_lag_seconds", lambda n: n > 0.5)
            text = self.on_standby.text()
            self.assertEqual(support.value(text, "pg_replication_lag"),
                             support.value(text, "pg_replication_lag_seconds"))
            self.assertGreater(support.value(text, "pg_replication_receive_lsn_bytes"),
                               support.value(text, "pg_replication_replay_lsn_bytes") + 1_000_000)
        finally:
            self.standby.sql("SELECT pg_wal_replay_resume()")
        self.on_standby.eventually(self, "pg_replication_lag_seconds", 0)

    def test_gives_the_standbys_database_statistics(self):
        text = self.on_standby.text()
        self.assertEqual(support.value(text, "pg_stat_database_conflicts_confl_lock",
                                       datname="app"), 0)
        self.assertGreater(support.value(text, "pg_wal_lsn_bytes"), 0)


class ArchivedStandby15(unittest.TestCase):
    """A standby that has lost its primary and lives on the primary's archive."""

    def test_shows_its_lag_when_the_archive_stalls(self):
        primary = postgres_support.Server(15, settings=SETTINGS)
        archive = primary.folder / "archive"
        primary.settings += ["archive_mode = on", f"archive_command = 'mkdir -p {archive}"
                                                  f" && cp %p {archive}/%f'"]
        with contextlib.ExitStack() as stack:
            stack.enter_context(primary)
            primary.monitor_role()
            primary.sql("CREATE TABLE t (i int)")
            standby = stack.enter_context(postgres_support.Server(15, base=primary, settings=(
                *SETTINGS, f"restore_command = 'cp {archive}/%f %p'",
                "wal_retrieve_retry_interval = '200ms'")))
            watch = Watch(stack, standby)
            watch.eventually(self, "pg_replication_receiver_streaming", 1)
            standby.sql("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'",
                        "SELECT pg_reload_conf()")
            watch.eventually(self, "pg_replication_receiver_streaming", 0)
            # What it replays from here on comes from the archive.
            for rows in (1, 2, 3):
                primary.sql(f"INSERT INTO t SELECT {rows} FROM generate_series(1, 1000)",
                            "SELECT pg_switch_wal()")
            support.wait_for(lambda: standby.sql("SELECT count(*) FROM t") == [["3000"]], 30,
                             "the archive is replayed")
            primary.sql("ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()")
            primary.sql("INSERT INTO t SELECT 4 FROM generate_series(1, 1000)",
                        "SELECT pg_switch_wal()")
            lag = watch.eventually(self, "pg_replication_lag_seconds", lambda n: n > 1)
            watch.eventually(self, "pg_replication_lag_seconds", lambda n: n > lag + 1)


if __name__ == "__main__":
    unittest.main()
