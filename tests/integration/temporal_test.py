"""temporal-exporter beside a real Temporal server and a real worker."""

import os
import signal
import time
import unittest

import certificates
from support import exporter, parse, scratch, value, wait_for
from temporal import tls_front
from temporal_support import NEWEST, SERVERS, Server, Worker, config

QUEUE = {"temporal_namespace": "default", "task_queue": "orders"}


class ServerCase(unittest.TestCase):
    """One server and one exporter for all tests of a class."""

    flags = ("--dynamic-config-value", "frontend.namespaceRPS.visibility=10")

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(*cls.flags, namespaces=("other",)))
        directory = cls.enterClassContext(scratch())
        cls.exporter = cls.enterClassContext(
            exporter("--config.file", config(cls.server, directory), name="temporal-exporter"))
        cls.directory = directory

    def scraped(self, name, **labels):
        return value(self.exporter.scrape().text, name, **labels)

    def becomes(self, wanted, name, seconds=20, **labels):
        wait_for(lambda: self.scraped(name, **labels) == wanted, seconds,
                 f"{name}{labels} == {wanted}")


class State(ServerCase):
    def test_server_and_namespaces_are_shown(self):
        self.becomes(1, "temporal_up")
        self.becomes(1, "temporal_server_info", version=SERVERS[NEWEST], visibility_store="sqlite")
        self.becomes(1, "temporal_health_status")
        self.becomes(2, "temporal_exporter_namespaces_watched")
        for name in ("default", "other"):
            self.becomes(1, "temporal_namespace_info", temporal_namespace=name, state="registered")
            self.becomes(86_400, "temporal_namespace_retention_seconds", temporal_namespace=name)
        self.assertIsNone(self.scraped("temporal_namespace_info",
                                       temporal_namespace="temporal-system"))

    def test_open_runs_backlog_and_pollers_follow_the_worker(self):
        waiting = {**QUEUE, "task_type": "workflow"}
        for number in range(3):
            self.server.start_workflow("Order", "orders", f"order-{number}")
        self.becomes(3, "temporal_workflow_open", **QUEUE, workflow_type="Order", status="running")
        self.becomes(3, "temporal_task_queue_backlog", **waiting)
        self.becomes(0, "temporal_task_queue_pollers", **waiting)
        self.assertGreater(self.scraped("temporal_task_queue_backlog_age_seconds", **waiting), 0)
        oldest = self.scraped("temporal_workflow_open_oldest_start_timestamp_seconds",
                              workflow_type="Order")
        self.assertLess(abs(time.time() - oldest), 120)
        self.becomes(3, "temporal_workflow_executions", temporal_namespace="default",
                     status="running")
        with Worker(self.server, "orders"):
            for kind in ("workflow", "activity"):
                self.becomes(1, "temporal_task_queue_pollers", **QUEUE, task_type=kind)
                self.becomes(0, "temporal_task_queue_backlog", **QUEUE, task_type=kind)
            self.becomes(3, "temporal_workflow_open", **QUEUE, workflow_type="Order")
            for number in range(3):
                self.server.cli("workflow", "signal", "--workflow-id", f"order-{number}", "--name",
                                "finish")
            self.becomes(0, "temporal_workflow_executions", temporal_namespace="default",
                         status="running")
            self.becomes(None, "temporal_workflow_open", **QUEUE)
        self.assertEqual(self.scraped("temporal_workflow_open_scan_complete",
                                      temporal_namespace="default"), 1)

    def test_the_server_never_has_to_throttle(self):
        self.becomes(1, "temporal_up")
        wait_for(lambda: (self.scraped("temporal_exporter_rate_budget_used_total",
                                       bucket="visibility") or 0) > 5, 20, "five calls")
        families = parse(self.exporter.scrape().text)
        self.assertNotIn("temporal_exporter_rpc_throttled_total",
                         [name for name, family in families.items() if family.samples])
        codes = {dict(labels)["code"] for _, labels
                 in families["temporal_exporter_rpc_total"].samples}
        self.assertLessEqual(codes, {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"})


class Reload(ServerCase):
    def test_other_namespaces_are_watched_and_a_fault_changes_nothing(self):
        self.becomes(2, "temporal_exporter_namespaces_watched")
        calls = self.scraped("temporal_exporter_rpc_total", method="ListNamespaces", code="OK")
        config(self.server, self.directory, 'namespaces = ["other"]\n')
        self.becomes(1, "temporal_exporter_namespaces_watched")
        self.becomes(1, "temporal_namespace_info", temporal_namespace="other")
        self.assertIsNone(self.scraped("temporal_namespace_info", temporal_namespace="default"))
        self.assertIsNone(self.scraped("temporal_namespaces"), "the list is not asked for")
        self.assertEqual(calls, self.scraped("temporal_exporter_rpc_total",
                                             method="ListNamespaces", code="OK"))
        config(self.server, self.directory, 'namespaces = ["other"]\napi_key_env = "KEY"\n')
        self.becomes(0, "sidecar_config_last_reload_successful")
        self.assertIn("plaintext", self.exporter.output())
        self.assertEqual(self.scraped("temporal_exporter_namespaces_watched"), 1)
        self.assertEqual(self.scraped("temporal_up"), 1)


class Outage(ServerCase):
    def timed_scrape(self):
        began = time.monotonic()
        answer = self.exporter.scrape()
        self.assertEqual(answer.status, 200)
        return time.monotonic() - began, answer.text

    def test_killed_server_is_down_at_once_and_up_again_without_a_restart(self):
        self.becomes(1, "temporal_up")
        self.server.kill()
        took, text = self.timed_scrape()
        self.assertLess(took, 3)
        self.assertEqual(value(text, "temporal_up"), 0)
        self.assertEqual(value(text, "temporal_scrape_collector_success", collector="frontend"), 0)
        self.server.start()
        self.becomes(1, "temporal_up", seconds=15)
        self.becomes(1, "temporal_scrape_collector_success", collector="open_workflows")

    def test_stopped_server_delays_a_scrape_by_two_seconds_at_most(self):
        self.becomes(1, "temporal_up")
        os.kill(self.server.popen.pid, signal.SIGSTOP)
        try:
            took, text = self.timed_scrape()
        finally:
            os.kill(self.server.popen.pid, signal.SIGCONT)
        self.assertLess(took, 3)
        self.assertEqual(value(text, "temporal_up"), 0)
        self.becomes(1, "temporal_up", seconds=30)


class Tls(unittest.TestCase):
    def test_mutual_tls_and_a_client_certificate_that_is_replaced_while_it_runs(self):
        with scratch() as directory, Server() as server:
            for name in ("ca", "stranger"):
                certificates.authority(directory, name)
            certificates.certificate(directory, "server", "ca", tls_front.SERVER_NAME)
            certificates.certificate(directory, "good", "ca", "exporter")
            certificates.certificate(directory, "client", "stranger", "exporter")
            toml = directory / "temporal.toml"
            with tls_front.TlsFront(("127.0.0.1", server.port), directory) as front:
                toml.write_text(
                    f'[temporal]\naddress = "{front.address}"\n[temporal.tls]\nenabled = true\n'
                    f'ca_file = "{directory}/ca.pem"\ncert_file = "{directory}/client.pem"\n'
                    f'key_file = "{directory}/client.key"\n'
                    f'server_name = "{tls_front.SERVER_NAME}"\n')
                with exporter("--config.file", toml, name="temporal-exporter") as process:
                    self.assertEqual(value(process.scrape().text, "temporal_up"), 0)
                    for kind in ("key", "pem"):
                        (directory / f"good.{kind}").replace(directory / f"client.{kind}")
                    for name, wanted in (("temporal_up", 1),
                                         ("temporal_exporter_namespaces_watched", 1)):
                        wait_for(lambda name=name, wanted=wanted:
                                 value(process.scrape().text, name) == wanted, 60, name)


if __name__ == "__main__":
    unittest.main()
