"""The binaries as they ship: their flags, signals, routes and formats."""

import contextlib
import http.client
import os
import re
import signal
import socket
import threading
import unittest

import support
from support import exporter, run

HOST = support.binary("host-exporter")
BAD_CONFIG = """\
[web]
max_connections = -1
[log]
level = 7
[host.collectors.cpu]
enabeld = true
[hosts]
listen = [":9100"]
"""


class Flags(unittest.TestCase):
    def test_version_names_the_binary_and_what_it_was_built_from(self):
        said = run([HOST, "--version"])
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"\Ahost-exporter, version \d+\.\d+\.\d+ \(.*revision: ")

    def test_help_lists_each_flag_of_the_issue(self):
        said = run([HOST, "--help"])
        self.assertEqual(said.returncode, 0, said.stderr)
        for flag in ("config.file", "config.dir", "config.check", "config.print", "once",
                     "list-collectors", "version", "web.listen-address", "web.telemetry-path",
                     "web.max-requests", "web.disable-exporter-metrics", "log.level",
                     "log.format", "collector.cpu", "path.procfs", "path.sysfs", "path.rootfs",
                     "path.udev.data"):
            self.assertRegex(said.stdout, rf"(?m)^ *--(\[no-\])?{re.escape(flag)}\b")

    def test_list_collectors_says_which_are_on_by_default(self):
        said = run([HOST, "--list-collectors"])
        self.assertEqual(said.returncode, 0, said.stderr)
        for line in said.stdout.splitlines():
            self.assertRegex(line, r"\A\w+ +(on|off) +[A-Z].*\.\Z")
        self.assertLessEqual(set(support.COLLECTORS), set(support.on_by_default()))

    def test_once_prints_one_exposition_of_every_collector(self):
        said = run([HOST, "--once"])
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("node_cpu_seconds_total", support.parse(said.stdout))
        self.assertEqual(sorted(support.successes(said.stdout)), support.on_by_default())
        self.assertIn('\nsidecar_config_last_reload_successful{exporter="host"} 1\n', said.stdout)

    def test_a_collector_that_is_off_is_absent(self):
        said = run([HOST, "--once", "--no-collector.cpu"])
        self.assertNotIn("cpu", support.successes(said.stdout))
        self.assertNotIn("node_cpu_seconds_total", said.stdout)

    def test_exporter_metrics_can_be_left_out(self):
        with exporter("--web.disable-exporter-metrics") as host:
            text = host.scrape().text
        self.assertIn("node_cpu_seconds_total", text)
        self.assertNotIn("process_cpu_seconds_total", text)

    def test_an_unknown_flag_is_refused_in_one_line_with_a_suggestion(self):
        said = run([HOST, "--web.listen-adress=:0"])
        self.assertEqual(said.returncode, 2)
        self.assertEqual(len(said.stderr.strip().splitlines()), 1, said.stderr)
        self.assertIn("--web.listen-adress", said.stderr)
        self.assertIn("--web.listen-address", said.stderr)

    def test_a_peers_flag_that_does_not_exist_here_is_refused_by_name(self):
        for flag in ("--web.systemd-socket", "--collector.systemd",
                     "--collector.hwmon.chip-exclude=x"):
            said = run([HOST, flag])
            self.assertEqual(said.returncode, 2, flag)
            self.assertIn(flag.split("=")[0], said.stderr)


class Configuration(unittest.TestCase):
    def check(self, text):
        with support.scratch() as directory:
            path = directory / "sidecar.toml"
            path.write_text(text)
            return run([HOST, f"--config.file={path}", "--config.check"])

    def test_a_good_one_is_valid(self):
        said = self.check('[host]\nlisten = [":9100"]\n[host.collectors.cpu]\nenabled = false\n')
        self.assertEqual(said.returncode, 0, said.stderr)

    def test_four_faults_are_shown_at_once_with_line_caret_and_suggestion(self):
        said = self.check(BAD_CONFIG)
        self.assertEqual(said.returncode, 2, said.stderr)
        for line in ("max_connections = -1", "level = 7", "enabeld = true", "[hosts]"):
            self.assertIn(line, said.stderr)
        self.assertGreaterEqual(said.stderr.count("sidecar.toml"), 4, said.stderr)
        self.assertGreaterEqual(said.stderr.count("^"), 4, said.stderr)
        self.assertRegex(said.stderr, r'mean.*"?enabled')
        self.assertRegex(said.stderr, r'mean.*"?host')

    def test_a_syntax_fault_is_shown_with_its_line(self):
        said = self.check("[host]\nlisten = [\n[host]\n")
        self.assertEqual(said.returncode, 2, said.stderr)
        self.assertIn("sidecar.toml", said.stderr)

    def test_a_duplicate_key_is_shown_with_its_line(self):
        said = self.check('[log]\nlevel = "info"\nlevel = "warn"\n')
        self.assertEqual(said.returncode, 2, said.stderr)
        self.assertIn("sidecar.toml", said.stderr)
        self.assertIn("^", said.stderr)

    def test_tables_of_the_other_exporters_are_welcome(self):
        said = self.check('[postgres]\n[temporal]\n[sidecar]\n[log]\nlevel = "info"\n')
        self.assertEqual(said.returncode, 0, said.stderr)

    def test_print_shows_what_is_in_effect(self):
        with support.scratch() as directory:
            path = directory / "sidecar.toml"
            path.write_text('[log]\nlevel = "warn"\n')
            said = run([HOST, f"--config.file={path}", "--config.print", "--no-collector.cpu"])
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r'level = "warn"')
        self.assertIn("enabled = false", said.stdout)

    def test_the_environment_lies_between_file_and_flags(self):
        environment = {**os.environ, "SIDECAR_HOST_COLLECTORS_CPU_ENABLED": "false"}
        said = run([HOST, "--once"], env=environment)
        self.assertNotIn("cpu", support.successes(said.stdout))
        said = run([HOST, "--once", "--collector.cpu"], env=environment)
        self.assertIn("cpu", support.successes(said.stdout))


class Signals(unittest.TestCase):
    def test_sigterm_during_a_scrape_lets_it_complete_and_exits_0(self):
        with support.scratch() as directory:
            library = directory / "slow_open.so"
            built = run(["g++", "-std=c++20", "-shared", "-fPIC", "-o", library,
                         support.ROOT / "tests/integration/slow_open.cc", "-ldl"])
            self.assertEqual(built.returncode, 0, built.stderr)
            environment = {**os.environ, "LD_PRELOAD": str(library),
                           "SLOW_OPEN_DIR": str(directory), "SLOW_OPEN_SUFFIX": "/proc/loadavg"}
            host = exporter(env=environment)
            answers = []
            scraper = threading.Thread(target=lambda: answers.append(host.scrape()))
            try:
                scraper.start()
                support.wait_for((directory / "entered").exists, what="a scrape has begun")
                host.popen.send_signal(signal.SIGTERM)
                support.wait_for(lambda: "stopping" in host.output(), what="SIGTERM was taken")
                self.assertIsNone(host.popen.poll(), "ended with a scrape running")
                self.assertEqual(answers, [])
            finally:
                (directory / "go").touch()
                scraper.join(15)
                status = host.end()
        self.assertEqual(status, 0, host.output())
        self.assertEqual(answers[0].status, 200)
        self.assertEqual(support.successes(answers[0].text)["loadavg"], 1)
        self.assertIsNotNone(support.value(answers[0].text, "node_load1"))

    def test_sigterm_and_sigint_at_rest_exit_0(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            host = exporter()
            self.assertEqual(host.end(sig), 0, host.output())

    def test_an_idle_connection_does_not_delay_the_end(self):
        host = exporter()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", host.port)) as idle:
            support.request(host.port, "/-/healthy", connection=idle)
            self.assertEqual(host.end(), 0, host.output())

    def test_a_taken_port_is_one_clear_line_and_exit_1(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            said = run([HOST, f"--web.listen-address=127.0.0.1:{port}"])
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertEqual(len(said.stderr.strip().splitlines()), 1, said.stderr)
        self.assertIn(str(port), said.stderr)


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = exporter()
        cls.addClassCleanup(cls.host.__exit__)

    def get(self, path, **more):
        return support.request(self.host.port, path, **more)

    def test_pages_for_a_person(self):
        for path in ("/", "/status"):
            answer = self.get(path)
            self.assertEqual(answer.status, 200, path)
            self.assertTrue(answer.headers["content-type"].startswith("text/html"), path)
            self.assertIn("host-exporter", answer.text)
        self.host.scrape()
        self.assertIn("loadavg", self.get("/status").text)

    def test_health_and_readiness(self):
        self.assertEqual(self.get("/-/healthy").status, 200)
        self.assertEqual(self.get("/-/ready").status, 200)

    def test_an_unknown_path_is_404_and_a_wrong_method_405(self):
        self.assertEqual(self.get("/metricsfoo").status, 404)
        self.assertEqual(self.get("/metrics/").status, 404)
        self.assertEqual(self.get("/metrics", method="DELETE").status, 405)

    def test_reload_is_off_unless_enabled(self):
        self.assertIn(self.get("/-/reload", method="POST").status, (403, 404, 405))

    def test_head_has_the_headers_and_no_body(self):
        answer = self.get("/metrics", method="HEAD", headers={"Accept": support.TEXT})
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version=0.0.4"))

    def test_gzip_only_where_it_is_asked_for(self):
        plain = self.host.scrape()
        zipped = self.host.scrape(**{"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(zipped.headers["content-encoding"], "gzip")
        self.assertLess(len(zipped.body), len(plain.body) / 3)
        self.assertIn("node_cpu_seconds_total", zipped.text)
        refused = self.host.scrape(**{"Accept-Encoding": "gzip;q=0"})
        self.assertNotIn("content-encoding", refused.headers)

    def test_one_connection_serves_many_scrapes(self):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.host.port)) as kept:
            self.assertEqual(self.get("/metrics", connection=kept).status, 200)
            first = kept.sock
            for _ in range(5):
                self.assertEqual(self.get("/metrics", connection=kept).status, 200)
                self.assertIs(kept.sock, first, "the server closed the connection")

    def test_both_formats_carry_the_same_series(self):
        text = self.host.scrape(accept=support.TEXT)
        metrics = self.host.scrape(accept=support.OPENMETRICS)
        self.assertTrue(metrics.headers["content-type"].startswith(
            "application/openmetrics-text; version=1.0.0"))
        self.assertTrue(metrics.text.endswith("# EOF\n"))

        def series(answer):
            return {key for family in support.parse(answer.text).values()
                    for key in family.samples}
        self.assertEqual(series(text), series(metrics))

    def test_collect_and_exclude_choose(self):
        only = self.host.scrape("/metrics?collect[]=loadavg&collect[]=time").text
        self.assertEqual(sorted(support.successes(only)), ["loadavg", "time"])
        rest = self.host.scrape("/metrics?exclude%5B%5D=loadavg").text
        self.assertEqual(sorted(support.successes(rest)),
                         sorted(set(support.on_by_default()) - {"loadavg"}))

    def test_a_wrong_choice_is_400(self):
        self.assertEqual(self.host.scrape("/metrics?collect[]=nothing").status, 400)
        both = self.host.scrape("/metrics?collect[]=cpu&exclude[]=time")
        self.assertEqual(both.status, 400)

    def test_the_own_metrics_use_the_one_vocabulary(self):
        self.host.scrape()
        text = self.host.scrape().text
        for name in ("node_scrape_collector_success", "node_scrape_collector_duration_seconds",
                     "sidecar_collector_samples", "sidecar_scrape_duration_seconds",
                     "sidecar_http_requests_total", "sidecar_build_info",
                     "sidecar_config_last_reload_successful",
                     "sidecar_config_last_reload_success_timestamp_seconds",
                     "process_cpu_seconds_total", "process_resident_memory_bytes",
                     "process_open_fds", "process_start_time_seconds"):
            self.assertIn("# TYPE " + name, text)


class Proc(unittest.TestCase):
    def test_a_missing_file_fails_one_collector_with_a_reason(self):
        with support.scratch() as directory:
            support.copied_proc(directory)
            (directory / "loadavg").unlink()
            with exporter(f"--path.procfs={directory}", *support.shared_only()) as host:
                text = host.scrape().text
                status = support.request(host.port, "/status").text
        success = support.successes(text)
        self.assertEqual(success.pop("loadavg"), 0)
        self.assertEqual(set(success.values()), {1}, success)
        self.assertEqual(sorted(success), sorted(set(support.COLLECTORS) - {"loadavg"}))
        reason = support.value(text, "sidecar_collector_errors_total", collector="loadavg")
        self.assertEqual(reason, 1)
        self.assertIn(str(directory / "loadavg"), status)

    def test_it_serves_again_once_the_file_is_back(self):
        with support.scratch() as directory:
            support.copied_proc(directory)
            saved = (directory / "loadavg").read_bytes()
            (directory / "loadavg").unlink()
            with exporter(f"--path.procfs={directory}") as host:
                self.assertEqual(support.successes(host.scrape().text)["loadavg"], 0)
                (directory / "loadavg").write_bytes(saved)
                self.assertEqual(support.successes(host.scrape().text)["loadavg"], 1)


class OtherBinaries(unittest.TestCase):
    def test_they_serve_at_once_and_say_that_what_they_watch_is_not_there(self):
        nothing = f"127.0.0.1:{support.free_port()}"
        config = {"postgres": ("pg_up", {"DATA_SOURCE_NAME": f"postgresql://x@{nothing}/x"}),
                  "temporal": ("temporal_up", {"SIDECAR_TEMPORAL_ADDRESS": nothing})}
        for name, (up, environment) in config.items():
            with self.subTest(name), exporter(
                    name=f"{name}-exporter", env={**os.environ, **environment}) as process:
                text = process.scrape().text
                self.assertEqual(support.value(text, "sidecar_build_info", exporter=name), 1)
                self.assertIsNotNone(support.value(text, "process_cpu_seconds_total"))
                self.assertEqual(support.value(text, up), 0)

    def test_the_combined_binary_serves_all_on_one_port(self):
        with support.scratch() as directory:
            port = support.free_port()
            config = directory / "sidecar.toml"
            config.write_text(f'[sidecar]\nlisten = ["127.0.0.1:{port}"]\n')
            command = [support.binary("sidecar-exporter"), f"--config.file={config}"]
            with support.Process(command, port) as process:
                text = process.scrape().text
                built = support.parse(text)["sidecar_build_info"].samples
                self.assertEqual({dict(labels)["exporter"] for _, labels in built},
                                 {"host", "postgres", "temporal"})
                self.assertIn("node_cpu_seconds_total", text)
                self.assertEqual(text.count("# TYPE process_cpu_seconds_total "), 1)
                self.assertIn("\npg_up ", text)
                only = process.scrape("/metrics/host").text
                self.assertIn("node_cpu_seconds_total", only)
                self.assertNotIn("\npg_up ", only)
                # Two exporters have no such collector, and nothing to add to what is named.
                one = process.scrape("/metrics?collect[]=loadavg&name[]=node_load1").text
                self.assertEqual(set(support.parse(one)), {"node_load1"})


if __name__ == "__main__":
    unittest.main()
