"""pg_settings is read again when something may have changed it, and not before."""

import signal
import time
import unittest

import postgres_support as pg
import support

WORK_MEM = "pg_settings_work_mem_bytes"
MIB = 2 ** 20


class Settings(unittest.TestCase):
    major = 15

    def setUp(self):
        self.hour = time.time() // 3600
        self.server = self.enterContext(pg.Server(self.major, settings=["log_statement = all"]))
        self.server.monitor_role()
        folder = self.enterContext(support.scratch())
        config = (f'[postgres]\ndsn = "{self.server.dsn()}"\n'
                  '[postgres.collectors.settings]\ninterval = "500ms"\n')
        self.exporter = self.enterContext(pg.exporter(self.server, config=config, folder=folder))
        self.eventually(WORK_MEM, 4 * MIB)

    def value(self, name):
        text, _ = pg.scrape(self.exporter)
        if support.value(text, name) is not None:  # it comes with its age, and never without a run
            self.assertTrue(support.successes(text, "pg")["settings"])
        return support.value(text, name)

    def eventually(self, name, value):
        support.wait_for(lambda: self.value(name) == value, 20, f"{name} is {value}")

    def asked(self, text):
        return self.server.log().count(text)

    def assert_read(self, times):
        more = time.time() // 3600 - self.hour  # with a new hour, whatever else is as it was
        self.assertIn(self.asked("  FROM pg_settings"), (times, times + more))

    def rest(self, times=4):
        """So many runs of the collector later."""
        seen = self.asked("SELECT pg_conf_load_time()")
        support.wait_for(lambda: self.asked("SELECT pg_conf_load_time()") >= seen + times, 20, "runs")

    def test_are_read_once_while_nothing_changes_them(self):
        self.rest()
        self.assert_read(1)
        self.assertEqual(self.value(WORK_MEM), 4 * MIB)
        self.assertEqual(self.value("pg_settings_pending_restart"), 0)

    def test_show_what_the_server_has_read_anew(self):
        self.server.sql("ALTER SYSTEM SET work_mem = '9MB'")
        self.server.sql("SELECT pg_reload_conf()")
        self.eventually(WORK_MEM, 9 * MIB)
        self.server.sql("ALTER SYSTEM SET max_connections = 77")
        self.server.sql("SELECT pg_reload_conf()")
        self.eventually("pg_settings_pending_restart", 1)
        self.rest()
        self.assert_read(3)

    def test_show_what_a_new_session_has(self):
        self.server.sql("ALTER ROLE monitor SET work_mem = '7MB'")
        self.rest()
        self.assertEqual(self.value(WORK_MEM), 4 * MIB, "of the session as it is")
        self.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE usename = 'monitor'")
        self.eventually(WORK_MEM, 7 * MIB)

    def test_show_what_a_new_right_lets_us_see(self):
        self.server.sql("REVOKE pg_monitor FROM monitor",
                        "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'")
        self.server.sql("SELECT pg_reload_conf()")
        self.rest()
        self.assertEqual(self.value("pg_settings_pending_restart"), 0)
        self.server.sql("GRANT pg_read_all_settings TO monitor")
        self.eventually("pg_settings_pending_restart", 1)

    def test_are_read_each_time_where_it_cannot_be_told_whether_they_changed(self):
        self.server.sql("REVOKE EXECUTE ON FUNCTION pg_conf_load_time() FROM PUBLIC")
        self.rest()
        self.assertGreater(self.asked("  FROM pg_settings"), 2)
        self.assertEqual(self.value(WORK_MEM), 4 * MIB)

    def test_are_there_without_a_gap_over_a_reload(self):
        self.exporter.popen.send_signal(signal.SIGHUP)
        for _ in range(20):
            self.assertEqual(self.value(WORK_MEM), 4 * MIB)
        self.rest()
        self.assertEqual(self.value(WORK_MEM), 4 * MIB)


class SettingsOf18(Settings):
    major = 18


class SettingsOf12(Settings):
    major = 12


if __name__ == "__main__":
    unittest.main()
