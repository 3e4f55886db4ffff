"""TLS between exporter and server, on a real server: what is verified, and who may come."""

import shutil
import unittest

import certificates
import postgres_support as pg
import support
from postgres_watcher import LOGGED, QUICK, Watcher


class Tls(unittest.TestCase):
    def test_a_client_certificate_that_is_replaced_needs_no_restart(self):
        with pg.Server(settings=LOGGED, tls=True) as server, support.scratch() as folder:
            server.monitor_role()
            server.hba("hostssl all monitor 127.0.0.1/32 cert")
            certificates.authority(server.folder, "stranger")
            certificates.certificate(server.folder, "bad", "stranger", "monitor")
            certificates.certificate(server.folder, "good", "ca", "monitor")
            self.give(server, "bad", folder)
            config = (f'[postgres]\nhost = "localhost"\nport = {server.port}\nuser = "monitor"\n'
                      f'dbname = "postgres"\nsslmode = "verify-full"\n'
                      f'sslrootcert = "{server.folder}/ca.pem"\nsslcert = "{folder}/client.pem"\n'
                      f'sslkey = "{folder}/client.key"\n{QUICK}')
            with pg.exporter(server, config=config, folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                watcher.until(lambda: "alert" in exporter.output(), 10, "the server refuses it")
                self.assertEqual(watcher.value("pg_up"), 0)
                self.give(server, "good", folder)
                watcher.until(watcher.well, 20, "the other one is taken")

    @staticmethod
    def give(server, name, folder):
        for kind in ("pem", "key"):
            shutil.copy(server.folder / f"{name}.{kind}", folder / f"client.{kind}")

    def test_a_server_that_is_another_is_told_nothing(self):
        with pg.Server(settings=LOGGED, tls=True) as server, support.scratch() as folder:
            server.monitor_role()
            certificates.authority(folder, "other")
            for words, reason in (({"host": "localhost", "sslrootcert": f"{folder}/other.pem"},
                                   "certificate verify failed"),
                                  ({"sslrootcert": f"{server.folder}/ca.pem"},
                                   "does not match host name")):
                with (self.subTest(reason),
                      pg.exporter(server, dsn=server.dsn(sslmode="verify-full", **words)) as exporter):
                    watcher = Watcher(self, server, exporter)
                    watcher.until(lambda: reason in exporter.output(), 10, reason)
                    self.assertEqual((watcher.value("pg_up"), watcher.value("pg_login_up")), (0, 0))
            self.assertEqual(pg.logins(server.log()), 0)


if __name__ == "__main__":
    unittest.main()
