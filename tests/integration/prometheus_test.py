"""A real Prometheus scrapes one exporter in both formats: the series must be the same."""

import contextlib
import http.server
import json
import threading
import unittest
import urllib.parse
import urllib.request

import support

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: openmetrics
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
  - job_name: text
    static_configs: [{{targets: ["127.0.0.1:{proxy}"]}}]
"""


class TextProxy(http.server.ThreadingHTTPServer):
    """Forwards a scrape with its Accept rewritten to the text format."""

    def __init__(self, port):
        self.exporter_port = port
        self.accepted, self.answered = set(), set()
        super().__init__(("127.0.0.1", 0), TextProxyHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class TextProxyHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.accepted.add(self.headers["Accept"])
        answer = support.request(self.server.exporter_port, self.path,
                                 headers={"Accept": support.TEXT})
        self.server.answered.add(answer.headers["content-type"].split(";")[0])
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["content-type"])
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


class Prometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = support.scratch()
        directory = scratch.__enter__()
        cls.addClassCleanup(scratch.__exit__, None, None, None)
        cls.host = support.exporter()
        cls.addClassCleanup(cls.host.__exit__)
        cls.proxy = TextProxy(cls.host.port)
        cls.addClassCleanup(cls.proxy.server_close)
        cls.addClassCleanup(cls.proxy.shutdown)
        config = directory / "prometheus.yml"
        config.write_text(CONFIG.format(exporter=cls.host.port, proxy=cls.proxy.server_port))
        port = support.free_port()
        cls.prometheus = support.Process(
            [support.PROMETHEUS, f"--config.file={config}",
             f"--storage.tsdb.path={directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], port)
        cls.addClassCleanup(cls.prometheus.__exit__)
        support.wait_for(lambda: cls.query("count(count_over_time(up[1m]) > 3)") == 2, 30,
                         "both jobs were scraped")

    @classmethod
    def api(cls, path, **parameters):
        url = f"http://127.0.0.1:{cls.prometheus.port}/api/v1/{path}?"
        with urllib.request.urlopen(url + urllib.parse.urlencode(parameters), timeout=10) as reply:
            return json.load(reply)["data"]

    @classmethod
    def query(cls, expression):
        result = cls.api("query", query=expression)["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None

    @classmethod
    def series(cls, job):
        """Sets of label sets by metric name, without the target's own labels."""
        by_name = {}
        for labels in cls.api("series", **{"match[]": f'{{job="{job}"}}'}):
            name = labels.pop("__name__")
            labels.pop("job"), labels.pop("instance")
            by_name.setdefault(name, set()).add(tuple(sorted(labels.items())))
        return by_name

    def test_both_jobs_are_up(self):
        self.assertEqual(self.query('min_over_time(up{job="openmetrics"}[1m])'), 1)
        self.assertEqual(self.query('min_over_time(up{job="text"}[1m])'), 1)

    def test_the_jobs_really_differ_in_format(self):
        self.assertEqual(self.proxy.answered, {"text/plain"})
        asked = support.request(self.host.port, headers={"Accept": self.proxy.accepted.pop()})
        self.assertTrue(asked.headers["content-type"].startswith("application/openmetrics-text"))

    def test_every_metric_has_the_same_series_in_both_formats(self):
        # What appears between two scrapes is in both after the next.
        with contextlib.suppress(AssertionError):
            support.wait_for(lambda: self.series("text") == self.series("openmetrics"), 5)
        series = self.series("text")
        self.assertEqual(series, self.series("openmetrics"))
        self.assertIn("node_cpu_seconds_total", series)
        self.assertIn("sidecar_scrape_duration_seconds_bucket", series)

    def test_no_target_label_renames_ours(self):
        for job in ("text", "openmetrics"):
            for name, sets in self.series(job).items():
                for labels in sets:
                    self.assertFalse([k for k, _ in labels if k.startswith("exported_")], name)

    def test_rates_are_answered(self):
        self.assertGreater(self.query(
            'count(rate(node_cpu_seconds_total{job="openmetrics"}[1m]))'), 0)

    def test_promtool_finds_nothing_beyond_the_reviewed_list(self):
        self.assertEqual(support.promtool_remarks(self.host.scrape().text), [])


if __name__ == "__main__":
    unittest.main()
