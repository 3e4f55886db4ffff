"""The dashboards: Grafana's rules for them, and a real Prometheus' opinion of every expression.
That each finds data is tried on a running quickstart (quickstart_test.py)."""

import json
import re
import unittest

import queries
import support

# First users' panels, by their expressions (the database's with the variable that they ask for).
FIRST_USERS = (
    "rate(orders_created_total[5m])",
    "histogram_quantile(0.95, rate(order_processing_seconds_bucket[5m]))",
    "orders_by_status",
    "histogram_quantile(0.95, rate(temporal_workflow_execution_time_bucket[5m]))",
    "rate(temporal_workflow_start_total[5m])",
    "rate(temporal_workflow_completed_total[5m])",
    "rate(temporal_activity_success_total[5m]) / (rate(temporal_activity_success_total[5m]) + "
    "rate(temporal_activity_fail_total[5m]))",
    "pg_database_size_bytes",
    "rate(pg_stat_database_xact_commit[5m]) + rate(pg_stat_database_xact_rollback[5m])",
    "pg_stat_database_blks_hit / (pg_stat_database_blks_hit + pg_stat_database_blks_read)")


class Dashboards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dashboards = {path.name: json.loads(path.read_text()) for path in queries.DASHBOARDS}

    def panels(self):
        for name, dashboard in self.dashboards.items():
            for panel in queries.panels(dashboard):
                if panel["type"] != "row":
                    yield f"{name}: {panel['title']}", panel

    def test_identifiers_are_of_one_each(self):
        uids = [dashboard["uid"] for dashboard in self.dashboards.values()]
        self.assertEqual(len(uids), len(set(uids)))
        for name, dashboard in self.dashboards.items():
            ids = [panel["id"] for panel in queries.panels(dashboard)]
            self.assertEqual(len(ids), len(set(ids)), name)

    def test_panels_have_title_unit_and_description(self):
        for where, panel in self.panels():
            with self.subTest(where):
                self.assertTrue(panel["title"])
                self.assertTrue(panel["description"].endswith("."), panel["description"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])

    def test_panels_do_not_overlap(self):
        for name, dashboard in self.dashboards.items():
            taken = {}
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                self.assertLessEqual(at["x"] + at["w"], 24)
                for x in range(at["x"], at["x"] + at["w"]):
                    for y in range(at["y"], at["y"] + at["h"]):
                        self.assertIsNone(taken.setdefault((x, y), None), name)
                        taken[x, y] = panel["title"]

    def test_the_data_source_is_chosen_by_the_reader(self):
        for where, panel in self.panels():
            for part in [panel, *panel["targets"]]:
                self.assertEqual(part["datasource"]["uid"], "${datasource}", where)

    def test_variables_are_declared_and_used(self):
        for name, dashboard in self.dashboards.items():
            declared = {variable["name"] for variable in dashboard["templating"]["list"]}
            text = json.dumps(dashboard)
            used = set(re.findall(r"\$\{?([a-z]\w*)", text))
            self.assertEqual(used - declared, set(), name)
            self.assertEqual(declared - used, set(), name)
            self.assertIn("time_range", declared)

    def test_the_first_users_panels_are_there(self):
        shown = {re.sub(r"\{[^}]*\}", "", target["expr"])
                 for _, panel in self.panels() for target in panel["targets"]}
        self.assertEqual([query for query in FIRST_USERS if query not in shown], [])


class Expressions(unittest.TestCase):
    def test_a_real_prometheus_reads_every_one(self):
        with support.scratch() as folder:
            port = support.free_port()
            (folder / "prometheus.yml").write_text("global: {}\n")
            with support.Process([support.PROMETHEUS, f"--config.file={folder}/prometheus.yml",
                                  f"--storage.tsdb.path={folder}/data", "--log.level=error",
                                  f"--web.listen-address=127.0.0.1:{port}"], port):
                tried = 0
                for query in queries.shipped():
                    with self.subTest(query.origin):
                        answer = queries.ask(f"http://127.0.0.1:{port}", query.expression)
                        self.assertNotIsInstance(answer, str, answer)
                    tried += 1
                self.assertGreater(tried, 100)

    def test_metric_names_are_read_from_expressions(self):
        self.assertEqual(queries.metrics(
            'sum by (a, b) (rate(x_total{c="d"}[5m] offset 1d)) / on (job) group_left () y > 0.5 '
            'unless {__name__=~"(p|q)_z"} and histogram_quantile(0.9, h_bucket)'),
            ["h_bucket", "p_z", "q_z", "x_total", "y"])


if __name__ == "__main__":
    unittest.main()
