"""What the exporter asks in one message (ADR 13) is what it asks one by one, and fails so too."""

import re
import time
import unittest

import postgres_support as pg
import support

FIRST = 3  # scrapes that ask one by one: the first of them prepares


class Together(unittest.TestCase):
    major = 15

    @classmethod
    def setUpClass(cls):
        cls.server = pg.Server(cls.major, settings=["log_statement = all"])
        cls.server.__enter__()  # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.server.end)
        cls.server.monitor_role()

    def setUp(self):
        exporter = pg.exporter(self.server)
        self.process = exporter.__enter__()  # pylint: disable=unnecessary-dunder-call
        self.addCleanup(exporter.__exit__, None, None, None)
        self.server.sql("GRANT SELECT ON pg_stat_archiver TO PUBLIC")
        # The slow session's first runs are no part of what is compared.
        support.wait_for(lambda: support.value(pg.scrape(self.process)[0],
                                               "pg_settings_max_connections"), 20, "settings")

    def asked(self):
        """One scrape: its text, and how many statements each message of the main session had."""
        before = len(self.server.log())
        text, took = pg.scrape(self.process)
        self.assertLess(took, 5)
        log = self.server.log()[before:]
        main = re.search(r"\[(\d+)\] \S+ LOG:  statement: SET LOCAL statement_timeout = 800;"
                         r" EXECUTE", log)
        messages = []
        for line in log.splitlines():
            if f"[{main[1]}] " in line and re.search("LOG:  (statement|execute )", line):
                messages.append(line.count("EXECUTE") or 1)
        return text, messages

    def learn(self):
        """The first scrape of one message; on a busy machine some statements are too slow at first,
        or the message is, and then it rests for a minute."""
        for _ in range(FIRST):
            self.asked()
        until = time.monotonic() + 90
        while time.monotonic() < until:
            text, messages = self.asked()
            if len(messages) == 2:
                return text, messages
            time.sleep(0.2)
        raise AssertionError(f"statements in messages: {messages}")

    def failing(self, text):
        return [name for name, good in support.successes(text, "pg").items() if not good]

    def test_is_one_message_a_scrape_beside_the_first_question_with_every_series(self):
        together, messages = self.learn()
        self.assertEqual(messages, [1, max(messages)], "core, and the others")
        self.assertGreaterEqual(max(messages), 15)
        self.assertEqual(self.failing(together), [])
        with pg.exporter(self.server) as other:
            alone = support.wait_for(
                lambda: self.complete(pg.scrape(other)[0]), 20, "the other's settings")
        self.assertEqual(self.series(together), self.series(alone))

    def complete(self, text):
        return text if support.value(text, "pg_settings_max_connections") else None

    def series(self, text):
        """Those of the server, of what does not come and go."""
        return {line.rsplit(" ", 1)[0] for line in text.splitlines()
                if line.startswith(("pg_stat_", "pg_database", "pg_locks_count", "pg_replication",
                                    "pg_roles", "pg_settings"))
                and not line.startswith(("pg_stat_activity", "pg_stat_user", "pg_statio_user"))}

    def test_sees_what_happened_since_the_scrape_before(self):
        before, _ = self.learn()
        labels = {"datname": "postgres", "mode": "sharerowexclusivelock"}
        self.assertEqual(support.value(before, "pg_locks_count", **labels), 0)
        self.server.sql("CREATE TABLE IF NOT EXISTS held (i int)")
        with self.server.held("BEGIN", "LOCK held IN SHARE ROW EXCLUSIVE MODE"):
            during, _ = self.asked()
        self.assertEqual(support.value(during, "pg_locks_count", **labels), 1)

    def test_a_statement_that_is_refused_costs_no_other_its_rows(self):
        self.learn()
        self.server.sql("REVOKE SELECT ON pg_stat_archiver FROM PUBLIC, monitor")
        for _ in range(2):
            text, messages = self.asked()
            self.assertEqual(self.failing(text), ["stat_archiver"])
            self.assertGreater(len(messages), 2)
            self.assertIsNotNone(support.value(text, "pg_locks_count", datname="postgres",
                                               mode="accesssharelock"))
        self.server.sql("GRANT SELECT ON pg_stat_archiver TO PUBLIC")
        text, messages = self.asked()
        self.assertEqual(self.failing(text), [])
        self.assertGreater(len(messages), 10, "it rests for a minute")

    def test_a_statement_that_waits_for_a_lock_costs_no_other_its_rows(self):
        self.learn()
        with self.server.held("BEGIN", "LOCK pg_stat_archiver IN ACCESS EXCLUSIVE MODE"):
            for _ in range(2):
                text, _ = self.asked()
                self.assertEqual(self.failing(text), ["stat_archiver"])
                self.assertEqual(support.value(text, "pg_up"), 1)
        text, _ = self.asked()
        self.assertEqual(self.failing(text), [])


class TogetherOnTheLatest(Together):
    """There is a transaction_timeout (17), which the message of all must not have."""
    major = 18

    def test_a_transaction_timeout_is_not_that_of_the_message(self):
        self.learn()
        self.assertRegex(self.server.log(), "SET LOCAL statement_timeout = 100;"
                         " SET LOCAL transaction_timeout = 0; EXECUTE ")
        # What the message relies on.
        self.server.sql("SET transaction_timeout = 100; SET LOCAL transaction_timeout = 0;"
                        " SELECT pg_sleep(0.2); SELECT pg_sleep(0.2)")


if __name__ == "__main__":
    unittest.main()
