"""The shipped Prometheus configuration: promtool's checks, and what every alert must have."""

import pathlib
import re
import unittest

import yaml

import support

FOLDER = support.ROOT / "deploy/prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def load(path):
    return yaml.safe_load(pathlib.Path(path).read_text())


def rules(kind):
    return [rule for path in RULES for group in load(path)["groups"]
            for rule in group["rules"] if kind in rule]


class Rules(unittest.TestCase):
    def promtool(self, *arguments):
        said = support.run([support.PROMTOOL, *arguments], timeout=120)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_the_configuration_loads_with_every_rule_file(self):
        self.promtool("check", "config", FOLDER / "prometheus.yml")

    def test_rules_have_no_remarks(self):
        self.promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)

    def test_rules_fire_and_stay_silent_as_their_tests_say(self):
        self.promtool("test", "rules", *TESTS)

    def test_each_alert_has_a_severity_a_summary_and_what_to_do(self):
        for rule in rules("alert"):
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertLess(len(rule["annotations"]["summary"]), 110)
                self.assertGreater(len(rule["annotations"]["description"]), 60)

    def test_each_alert_is_tested_to_fire_and_to_stay_silent(self):
        tried = {}
        for path in TESTS:
            for test in load(path)["tests"]:
                for case in test.get("alert_rule_test", []):
                    fires = bool(case["exp_alerts"])
                    tried.setdefault(case["alertname"], set()).add(fires)
        self.assertEqual(tried, {rule["alert"]: {True, False} for rule in rules("alert")})

    def test_alerts_have_names_of_their_own(self):
        names = [rule["alert"] for rule in rules("alert")]
        self.assertEqual(len(names), len(set(names)))

    def test_the_first_users_names_are_there(self):
        page = {"HighOrderProcessingErrorRate", "SlowOrderProcessing", "UnusualOrderRate",
                "LowInventory", "HighPaymentFailureRate", "HighDatabaseConnections",
                "LowCacheHitRatio", "HighWorkflowFailureRate", "LongRunningWorkflow"}
        self.assertEqual(page - {rule["alert"] for rule in rules("alert")}, set())
        self.assertEqual({rule["record"] for rule in rules("record")},
                         {"job:order_processing_rate:5m", "job:order_processing_error_rate:5m",
                          "job:payment_success_rate:5m"})

    def test_no_job_sets_a_label_of_the_exporters(self):
        for name in ("prometheus.yml", "kubernetes.yml"):
            for job in load(FOLDER / name)["scrape_configs"]:
                targets = {rule.get("target_label") for rule in job.get("relabel_configs", [])}
                self.assertEqual(targets & {"exporter", "collector", "reason"}, set())

    def test_comments_name_files_that_exist(self):
        for path in [*RULES, FOLDER / "prometheus.yml", FOLDER / "kubernetes.yml"]:
            for name in re.findall(r"\bdeploy/[\w/.-]*\w", path.read_text()):
                self.assertTrue((support.ROOT / name).exists(), f"{path.name}: {name}")


if __name__ == "__main__":
    unittest.main()
