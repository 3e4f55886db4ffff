"""How the exporter logs in, what its sessions are like, and what --config.check and --once say."""

import os
import subprocess
import time
import unittest

import postgres_support as pg
import support


def query(name, sql, more=""):
    return (f'[[postgres.queries]]\nname = "{name}"\nsummary = "s"\n{more}sql = """{sql}"""\n'
            f'[[postgres.queries.metrics]]\nname = "{name}_value"\ncolumn = "v"\nhelp = "h"\n'
            'type = "gauge"\n')


def clean(**more):
    """The environment without what names a server."""
    return {**{key: text for key, text in os.environ.items()
               if not key.startswith(("PG", "DATA_SOURCE_", "SIDECAR_"))}, **more}


def once(*flags, **environment):
    return support.run([support.binary("postgres-exporter"), *flags], env=clean(**environment))


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = pg.Server(settings=["log_connections = on"])
        cls.server.__enter__()  # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.server.end)
        cls.server.monitor_role()
        cls.server.sql("CREATE ROLE \"odd user\" LOGIN PASSWORD 'p@ss %41'' w\"ord\\'",
                       'GRANT pg_monitor TO "odd user"')
        cls.server.hba('host all "odd user" 127.0.0.1/32 scram-sha-256',
                       "host all all 127.0.0.1/32 trust")

    def works(self, *flags, **environment):
        done = once("--once", *flags, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(support.value(done.stdout, "pg_up"), 1, done.stderr)
        self.assertEqual(support.value(done.stdout, "pg_login_up"), 1)
        return done.stdout

    def test_every_way_to_name_the_server(self):
        port, password = str(self.server.port), "p@ss %41' w\"ord\\"
        with support.scratch() as folder:
            secret = folder / "secret"
            secret.write_text(password + "\n")
            passfile = folder / "pgpass"
            passfile.write_text("127.0.0.1:*:*:odd user:" + password.replace("\\", "\\\\") + "\n")
            passfile.chmod(0o600)
            services = folder / "services.conf"
            services.write_text(f"[here]\nhost=127.0.0.1\nport={port}\nuser=monitor\n"
                                "dbname=postgres\n")
            config = folder / "fields.toml"
            config.write_text(f'[postgres]\nhost = "127.0.0.1"\nport = {port}\n'
                              f'user = "odd user"\ndbname = "postgres"\npassword_file = "{secret}"\n')
            ways = {
                "keywords": {"DATA_SOURCE_NAME": self.server.dsn()},
                "URI": {"DATA_SOURCE_NAME": f"postgresql://monitor@127.0.0.1:{port}/postgres"},
                "a host name": {"DATA_SOURCE_NAME":
                                f"postgresql://monitor@localhost:{port}/postgres"},
                "parts": {"DATA_SOURCE_URI": f"127.0.0.1:{port}/postgres?sslmode=disable",
                          "DATA_SOURCE_USER": "odd user", "DATA_SOURCE_PASS": password},
                "files": {"DATA_SOURCE_URI": f"127.0.0.1:{port}/postgres?sslmode=disable",
                          "DATA_SOURCE_USER": "odd user", "DATA_SOURCE_PASS_FILE": str(secret)},
                "PG*": {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "odd user",
                        "PGDATABASE": "postgres", "PGPASSFILE": str(passfile)},
                "service": {"SIDECAR_POSTGRES_SERVICE": "here", "PGSERVICEFILE": str(services)},
                "own environment": {"SIDECAR_POSTGRES_DSN": self.server.dsn("odd\\ user"),
                                    "SIDECAR_POSTGRES_PASSWORD_FILE": str(secret)},
            }
            for way, environment in ways.items():
                with self.subTest(way):
                    self.works(**environment)
            self.works(f"--config.file={config}")

    def test_no_secret_is_printed(self):
        dsn = self.server.dsn("monitor", password="hunter2secret")
        done = once("--config.print", SIDECAR_POSTGRES_DSN=dsn)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("hunter2secret", done.stdout + done.stderr)
        done = once("--config.check", SIDECAR_POSTGRES_DSN="host=x password='hunter2secret")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("hunter2secret", done.stdout + done.stderr)
        done = once("--once", DATA_SOURCE_NAME=dsn.replace("user=monitor", "user=hunter"))
        self.assertNotIn("hunter2secret", done.stdout + done.stderr)
        uri = f"postgres://monitor:HIDDEN@127.0.0.1:{self.server.port}/postgres"
        for shown in (f"host=127.0.0.1 port={self.server.port} user=monitor dbname=postgres "
                      r"password='hunter2\'s secret'", uri.replace("HIDDEN", "hunter2 secret"),
                      f"{uri.replace(':HIDDEN', '')}?password=hunter2%20s ecret"):
            with self.subTest(shown), pg.exporter(
                    self.server, env={"SIDECAR_POSTGRES_DSN": shown}) as exporter:
                page = support.request(exporter.port, "/config").text
                line = next(line for line in page.splitlines() if line.startswith("dsn = "))
                for kept in ("127.0.0.1", str(self.server.port), "monitor", "***"):
                    self.assertIn(kept, line)
                self.assertNotRegex(line, "hunter2|ecret")
                self.assertNotRegex(exporter.output(), "hunter2|ecret")
        with support.scratch() as folder, pg.exporter(
                self.server, "--web.enable-lifecycle", "--no-config.watch", folder=folder,
                config=f'[postgres]\ndsn = "{self.server.dsn()}"\n') as exporter:
            for faulty in (uri + "?bogus=1", uri + "?passfile=/x&bogus=1",
                           uri.replace("HIDDEN", "a/HIDDEN"), uri.replace("HIDDEN", "a@HIDDEN"),
                           "host=h password HIDDEN", r"password=a\\ HIDDEN bogus=1"):
                with self.subTest(faulty):
                    (folder / "postgres.toml").write_text(
                        f'[postgres]\ndsn = "{faulty.replace("HIDDEN", "topsecret")}"\n')
                    answer = support.request(exporter.port, "/-/reload", "POST")
                    self.assertNotEqual(answer.status, 200)
                    self.assertIn("dsn", answer.text)
                    self.assertNotIn("topsecret", answer.text)
            self.assertNotIn("topsecret", exporter.output())
            done = once("--config.check", f"--config.file={folder / 'postgres.toml'}")
            self.assertNotIn("topsecret", done.stdout + done.stderr)

    def test_once_waits_for_every_database(self):
        self.server.sql("CREATE DATABASE another")
        self.server.sql("CREATE TABLE t (i int)", database="another")
        text = self.works(DATA_SOURCE_NAME=self.server.dsn())
        self.assertEqual([name for name, good in support.successes(text, "pg").items() if not good],
                         [], text)
        self.assertEqual(support.value(text, "pg_stat_user_tables_n_live_tup", datname="another"), 0,
                         text)
        self.assertIsNotNone(support.value(text, "pg_settings_max_connections"))

    def test_once_says_at_once_that_there_is_no_server(self):
        began = time.monotonic()
        done = once("--once", DATA_SOURCE_NAME=f"host=127.0.0.1 port={support.free_port()}")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(support.value(done.stdout, "pg_up"), 0)
        self.assertLess(time.monotonic() - began, 3)

    def test_no_login_in_steady_state_but_the_probes(self):
        with support.scratch() as folder:
            config = f'[postgres]\ndsn = "{self.server.dsn(application_name="steady")}"\n' \
                     'databases_include = ["postgres"]\nlogin_probe_interval = "2s"\n' \
                     'refresh_interval = "10m"\n' + "".join(
                         f'[postgres.collectors.{name}]\ninterval = "10m"\n'
                         for name in ("stat_user_tables", "statio_user_tables", "table_size"))
            with pg.exporter(self.server, config=config, folder=folder) as exporter:
                support.wait_for(
                    lambda: support.value(exporter.scrape().text, "pg_exporter_databases",
                                          state="visited") == 1, 20, "the rotation")
                time.sleep(1)
                before, began = pg.logins(self.server.log(), "steady"), time.monotonic()
                for _ in range(60):
                    exporter.scrape()
                    time.sleep(0.1)
                made = pg.logins(self.server.log(), "steady") - before
                took = time.monotonic() - began
                self.assertGreaterEqual(made, 1)
                self.assertLessEqual(made, took / 2 + 1)
                print(f"60 scrapes in {took:.0f} s, a probe every 2 s: {made} logins")


class Sessions(unittest.TestCase):
    def test_settings_of_a_session(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role()
            server.sql("CREATE SCHEMA own", "CREATE TABLE own.t (v int)", "INSERT INTO own.t VALUES (7)",
                       "GRANT USAGE ON SCHEMA own TO monitor", "GRANT ALL ON own.t TO monitor",
                       "ALTER ROLE monitor SET search_path = own, pg_catalog",
                       "ALTER ROLE monitor SET timezone = 'Asia/Tokyo'",
                       "CREATE VIEW own.pg_database AS SELECT 1 AS oops",
                       "GRANT SELECT ON own.pg_database TO monitor")
            setting = "SELECT setting::float8 AS v FROM pg_settings WHERE name = "
            config = f'[postgres]\ndsn = "{server.dsn()}"\n' + \
                query("own_path", "SELECT v FROM t") + \
                query("own_zone", "SELECT extract(timezone FROM now())::float8 AS v") + \
                query("writes", "INSERT INTO t VALUES (8) RETURNING v") + \
                query("sleeps", "SELECT 1 AS v, pg_sleep(60)", 'timeout = "400ms"\n') + \
                query("locks_out", "SELECT v FROM t FOR UPDATE") + \
                query("lock_timeout", setting + "'lock_timeout'") + \
                query("statement_timeout", setting + "'statement_timeout'") + \
                query("copies", "COPY t TO STDOUT") + \
                query("nothing", "LISTEN x")
            with pg.exporter(server, config=config, folder=folder) as exporter:
                text, took = pg.scrape(exporter, 5)
                self.assertLess(took, 3)
                self.assertEqual(support.value(text, "own_path_value"), 7)
                self.assertEqual(support.value(text, "own_zone_value"), 9 * 3600)
                self.assertEqual(support.value(text, "lock_timeout_value"), 200)
                self.assertLessEqual(support.value(text, "statement_timeout_value"), 5_000)
                self.assertIsNotNone(support.value(text, "pg_database_size_bytes") or
                                     support.value(text, "pg_locks_count"))
                success = support.successes(text, "pg")
                reasons = {"writes": "denied", "sleeps": "timeout", "copies": "parse", "nothing": "parse"}
                for name, reason in reasons.items():
                    self.assertEqual(success[name], 0, name)
                    self.assertRegex(text, f'sidecar_collector_errors_total{{[^}}]*collector="{name}"'
                                           f'[^}}]*reason="{reason}"}} 1')
                others = {name for name, good in success.items()
                          if not good and name not in reasons}
                self.assertLessEqual(others, {"locks_out", "database_size", "settings", "wal",
                                              "stat_user_tables", "statio_user_tables",
                                              "table_size", "stat_statements"})
                self.assertEqual(server.sql("SELECT count(*) FROM own.t"), [["1"]])

    def test_a_statement_whose_table_changed_is_prepared_anew_and_the_old_one_goes(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role()
            server.sql("CREATE TABLE t (v int)", "INSERT INTO t VALUES (7)",
                       "GRANT SELECT ON t TO monitor")
            config = f'[postgres]\ndsn = "{server.dsn()}"\n' + \
                query("star", "SELECT * FROM t") + \
                query("kept", "SELECT count(*) AS v FROM pg_prepared_statements")
            with pg.exporter(server, config=config, folder=folder) as exporter:
                for _ in range(3):
                    text, _ = pg.scrape(exporter, 5)
                kept = support.value(text, "kept_value")
                for number in range(4):
                    server.sql(f"ALTER TABLE t ADD COLUMN c{number} int")
                    for _ in range(2):  # the first one finds that it has changed
                        text, _ = pg.scrape(exporter, 5)
                    self.assertEqual(support.value(text, "star_value"), 7)
                    self.assertEqual(support.value(text, "kept_value"), kept)

    def test_a_billion_rows_cost_their_own_collector_only(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role()
            config = f'[postgres]\ndsn = "{server.dsn()}"\n' + \
                query("billion", "SELECT i AS v FROM generate_series(1, 1000000000) i")
            with pg.exporter(server, config=config, folder=folder) as exporter:
                for number in range(5):
                    text, took = pg.scrape(exporter, 5)
                    self.assertLess(took, 5)
                    self.assertEqual(support.value(text, "pg_up"), 1)
                    success = support.successes(text, "pg")
                    self.assertEqual((success["billion"], success["locks"]), (0, 1), number)
                    self.assertLessEqual(len(server.sessions()), 4)
                with open(f"/proc/{exporter.pid}/status", encoding="utf-8") as file:
                    resident = int(file.read().split("VmHWM:")[1].split()[0])
                self.assertLess(resident, 120_000, "kB")
                print(f"a billion rows: at most {resident} kB")


class Encodings(unittest.TestCase):
    def test_names_are_utf8_whatever_their_database_is_in(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role()
            server.sql("CREATE DATABASE western ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' "
                       "TEMPLATE template0")
            server.sql("SET client_encoding = 'UTF8'", 'CREATE TABLE "Käufe" (i int)',
                       database="western")
            config = f'[postgres]\ndsn = "{server.dsn()}"\n' + \
                query("texts", "SELECT 'Käufe' || '' AS word, 1 AS v",
                      'scope = "database"\ndatabases = ["western"]\nlabels = ["word"]\n')
            with pg.exporter(server, config=config, folder=folder) as exporter:
                support.wait_for(lambda: support.value(exporter.scrape().text, "texts_value",
                                                       datname="western", word="Käufe") == 1,
                                 15, "the label of a query")
                self.assertIsNotNone(support.value(exporter.scrape().text,
                                                   "pg_stat_user_tables_n_tup_ins",
                                                   datname="western", relname="Käufe"))

    def test_a_database_whose_name_is_no_utf8_is_read(self):
        with pg.Server(initdb=("--encoding=SQL_ASCII", "--locale=C")) as server:
            server.monitor_role()
            script = server.folder / "odd.sql"
            script.write_bytes(b'SET client_encoding = SQL_ASCII;\nCREATE DATABASE "caf\xe9";\n'
                               b'\\connect "caf\xe9"\nCREATE TABLE here (i int);\n')
            support.run(["psql", "-XAtq", "-f", script, server.dsn("postgres")])
            with pg.exporter(server) as exporter:
                support.wait_for(lambda: support.value(exporter.scrape().text,
                                                       "pg_exporter_databases", state="visited") == 2,
                                 15, "both databases")
                text = exporter.scrape().text
                self.assertEqual(support.value(text, "pg_exporter_databases", state="failed"), 0)
                self.assertIsNotNone(support.value(
                    text, "pg_stat_user_tables_sum_n_live_tup", datname=r"caf\\xe9"))


class Pooler(unittest.TestCase):
    def test_nothing_stays_on_connections_that_others_share(self):
        with pg.Server() as server:
            server.monitor_role()
            server.sql("CREATE DATABASE second")
            with pg.pooler(server) as port:
                dsn = f"host=127.0.0.1 port={port} user=monitor dbname=postgres"
                with pg.exporter(server, dsn=dsn) as exporter:
                    support.wait_for(
                        lambda: support.value(exporter.scrape().text, "pg_exporter_databases",
                                              state="visited") == 2, 20, "both databases")
                    for _ in range(10):
                        text, _ = pg.scrape(exporter, 5)
                    success = support.successes(text, "pg")
                    self.assertEqual([name for name, good in success.items() if not good], [])
                    self.assertEqual(support.value(text, "pg_up"), 1)
                    for _ in range(8):
                        shown = support.run(["psql", "-XAtq", "-c", "SHOW search_path", "-c",
                                             "SHOW statement_timeout", "-c",
                                             "SHOW default_transaction_read_only", "-c",
                                             "SELECT count(*) FROM pg_prepared_statements", dsn])
                        self.assertEqual(shown.stdout.split("\n")[:4],
                                         ['"$user", public', "0", "off", "0"])

    def test_what_a_query_sets_stays_on_no_connection_that_others_share(self):
        late = "set_config('statement_timeout', '1', false)"
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role()
            with pg.pooler(server) as port:
                dsn = f"host=127.0.0.1 port={port} user=monitor dbname=postgres"
                config = (f'[postgres]\ndsn = "{dsn}"\n' + query("sets", "SET statement_timeout = 1") +
                          query("calls", f"SELECT length({late}) AS v -- so it is") +
                          query("breaks", f"SELECT length({late}) / 0 AS v") +
                          query("good", "/* good */ (SELECT 7 AS v)"))
                with pg.exporter(server, config=config, folder=folder) as exporter:
                    pg.scrape(exporter, 5)
                    for _ in range(8):
                        text, _ = pg.scrape(exporter, 5)
                        success = support.successes(text, "pg")
                        self.assertEqual({name for name, good in success.items() if not good},
                                         {"sets", "breaks"}, exporter.output())
                        self.assertEqual([support.value(text, f"{name}_value")
                                          for name in ("calls", "good")], [len("1ms"), 7])
                        shown = support.run(["psql", "-XAtqc", "SHOW statement_timeout", dsn])
                        self.assertEqual(shown.stdout, "0\n")
                    self.assertIn("behind a pooler only a query is run", exporter.output())


class Check(unittest.TestCase):
    def test_says_of_each_collector_whether_it_runs(self):
        with pg.Server() as server, support.scratch() as folder:
            server.sql("CREATE ROLE monitor LOGIN")
            path = folder / "check.toml"
            path.write_text(f'[postgres]\ndsn = "{server.dsn()}"\n' +
                            query("good", "SELECT 1 AS v") +
                            query("no_table", "SELECT v FROM missing") +
                            query("no_column", "SELECT 1 AS other") +
                            query("later", "SELECT 1 AS v", 'extension = "hstore"\n') +
                            query("again", "SELECT 2 AS v").replace("again_value", "good_value"))
            done = once("--config.check", f"--config.file={path}")
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()
            self.assertEqual(lines[0], "the configuration is valid")
            self.assertRegex(lines[1], r"^postgres: 127.0.0.1:\d+, PostgreSQL 15\.")
            says = {line.split()[0]: line.split(None, 1)[1] for line in lines[2:]}
            self.assertEqual(says["good"], "runs, 1 series")
            self.assertEqual(says["again"], "runs in part (config): another collector has 1 of its 1 "
                                            "series too")
            self.assertRegex(says["no_table"], r"^fails \(unsupported\): .*\"missing\" does not exist")
            self.assertRegex(says["no_column"], r"^fails \(\w+\): .*v")
            self.assertRegex(says["later"], r"^does not apply \(unsupported\): needs extension")
            self.assertRegex(says["stat_checkpointer"], r"^does not apply \(unsupported\): needs")
            self.assertRegex(says["wal"], r"^fails \(denied\): needs a role in pg_monitor")
            self.assertRegex(says["stat_user_tables"], r"^runs, \d+ series in database postgres")
            self.assertRegex(says["locks"], r"^runs, \d+ series")

    def test_runs_a_query_in_a_database_that_it_is_for(self):
        with pg.Server(settings=["log_statement = all"]) as server, support.scratch() as folder:
            server.monitor_role()
            server.sql("CREATE DATABASE orders", "CREATE DATABASE closed",
                       "REVOKE CONNECT ON DATABASE closed FROM public")
            subprocess.run(["psql", "-XAtqf", str(support.ROOT / "deploy/demo/orders.sql"),
                            server.dsn("postgres", "orders")], check=True, capture_output=True)
            shipped = (support.ROOT / "deploy/collectors/orders.toml").read_text()
            only = lambda globs: f'scope = "database"\ndatabases = {globs}\n'
            path = folder / "check.toml"
            path.write_text(f'[postgres]\ndsn = "{server.dsn()}"\n'
                            'databases_exclude = ["hidden"]\n' + shipped +
                            query("there", "SELECT count(*) AS v FROM orders", only('["ord*"]')) +
                            query("both", "SELECT 42 AS v", only('["orders", "postgres"]')) +
                            query("typo", "SELECT 1 AS v", only('["odrers"]')) +
                            query("shut", "SELECT 1 AS v", only('["closed"]')) +
                            query("excluded", "SELECT 1 AS v", only('["hidden"]')))
            server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO monitor", database="orders")
            server.sql("CREATE DATABASE hidden")
            done = once("--config.check", f"--config.file={path}")
            self.assertEqual(done.returncode, 0, done.stderr)
            says = {line.split()[0]: line.split(None, 1)[1] for line in done.stdout.splitlines()[2:]}
            self.assertRegex(says["orders"], r"^runs, \d+ series in database orders$")
            self.assertEqual(says["there"], "runs, 1 series in database orders")
            self.assertEqual(says["both"], "runs, 1 series in database postgres")
            for name in ("typo", "shut", "excluded"):
                self.assertEqual(says[name], "no database matches", name)
            self.assertRegex(says["stat_user_tables"], r"^runs, \d+ series in database postgres$")
            self.assertEqual(server.log().count("SELECT 42 AS v"), 1, "each is run once")

    def test_works_offline(self):
        done = once("--config.check", DATA_SOURCE_NAME=f"host=127.0.0.1 port={support.free_port()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the configuration is valid\npostgres: the server cannot be asked",
                      done.stdout)


if __name__ == "__main__":
    unittest.main()
