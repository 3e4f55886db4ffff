"""What the charts render is run: each exporter's container on the image's tree, with the rendered
arguments, mounts and ConfigMap, as user 65532 on a read-only root."""

import pathlib
import re
import unittest

import charts
import containers
import support

NAMES = ("host", "postgres", "temporal")


def free_ports(prefix=""):
    """Values that give every exporter a port that is free here."""
    values = [f"{prefix}{name}.port={support.free_port()}" for name in (*NAMES, "combined")]
    return ["--set", ",".join(values)]


def image_of(container):
    return re.search(r"/(host|postgres|temporal|sidecar)[:@]", container["image"])[1]


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        charts.need_helm()
        containers.need_root()
        cls.trees = containers.Trees()
        cls.addClassCleanup(cls.trees.remove)
        copy = charts.example()
        cls.example = copy.__enter__()
        cls.addClassCleanup(copy.__exit__, None, None, None)

    def exporters(self, objects):
        for workload in charts.workloads(objects):
            template = workload["spec"]["template"]
            for container in charts.exporters(template):
                yield workload, container, template

    def run_all(self, chart, *arguments, prefix=""):
        objects = charts.render(chart, "--kube-version", "1.35", *map(str, arguments),
                                *free_ports(prefix))
        ran = []
        for workload, container, template in self.exporters(objects):
            with self.subTest(container["name"]), self.trees[image_of(container)].run(
                        container, template, objects) as exporter:
                self.check(exporter, workload, container)
                ran.append(container["name"])
        return ran

    def check(self, exporter, workload, container):
        text = exporter.scrape().text
        for name in ("process_cpu_seconds_total", "sidecar_build_info"):
            self.assertIn(f"\n{name}", text)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                path = container[probe]["httpGet"]["path"]
                self.assertEqual(support.request(exporter.port, path).status, 200)
                self.assertEqual(container[probe]["httpGet"]["port"], container["ports"][0]["name"])
        status = pathlib.Path(f"/proc/{exporter.pid}/status").read_text()
        self.assertRegex(status, r"\nUid:\t65532\t65532\t65532\t65532\n")
        self.assertRegex(status, r"\nGroups:\t *\n")
        self.assertRegex(status, r"\nCapEff:\t0+\n")
        self.assertRegex(status, r"\nNoNewPrivs:\t1\n")
        if workload["kind"] == "DaemonSet":
            self.assertEqual(support.successes(text).get("filesystem"), 1)
            mounts = [dict(labels)["mountpoint"] for _, labels in
                      support.parse(text)["node_filesystem_size_bytes"].samples]
            self.assertIn("/", mounts)  # the host's, though it is mounted elsewhere
            self.assertFalse([mount for mount in mounts if mount.startswith("/host/root")])

    def test_sidecars_of_the_example(self):
        self.assertEqual(self.run_all(self.example, prefix="sidecar-exporters."),
                         [f"{name}-exporter" for name in NAMES])

    def test_the_three_in_one_container_of_the_example(self):
        ran = self.run_all(self.example, "-f", self.example / "ci/combined-values.yaml",
                           prefix="sidecar-exporters.")
        self.assertEqual(ran, ["sidecar-exporter"])

    def test_own_pods_with_every_ci_file(self):
        ran = set()
        for file in charts.ci_values(charts.CHART):
            with self.subTest(file.name):
                ran |= set(self.run_all(charts.CHART, "-f", file))
        self.assertEqual(ran, {"sidecar-exporter", *(f"{name}-exporter" for name in NAMES)})

    def test_one_process_for_all_has_each_exporter_under_its_name(self):
        objects = charts.render(self.example, "-f", str(self.example / "ci/combined-values.yaml"),
                                *free_ports("sidecar-exporters."))
        (_, container, template), = self.exporters(objects)
        with self.trees["sidecar"].run(container, template, objects) as exporter:
            text = exporter.scrape().text
            for name in NAMES:
                self.assertIn(f'sidecar_build_info{{compiler="GNU 12.2.0",exporter="{name}"', text)
                self.assertEqual(support.request(exporter.port, f"/metrics/{name}").status, 200)
            self.assertEqual(len(re.findall("^process_cpu_seconds_total ", text, re.M)), 1)

    def test_one_process_leaves_out_what_is_not_enabled(self):
        objects = charts.render(charts.CHART, "-f",
                                str(charts.CHART / "ci/combined-values.yaml"), *free_ports())
        _, container, template = next(
            found for found in self.exporters(objects) if found[0]["kind"] == "Deployment")
        with self.trees["sidecar"].run(container, template, objects) as exporter:
            text = exporter.scrape().text
            self.assertNotIn('exporter="host"', text)
            self.assertIn('exporter="postgres"', text)


class Swap(unittest.TestCase):
    """A change of values reaches the running exporter through its mounted ConfigMap."""

    @classmethod
    def setUpClass(cls):
        charts.need_helm()
        containers.need_root()
        cls.trees = containers.Trees()
        cls.addClassCleanup(cls.trees.remove)

    def test_values_reach_the_exporter_without_a_restart_or_a_reset(self):
        ports = free_ports()

        def render(*arguments):
            return charts.render(charts.CHART, "--set", "host.enabled=true", *ports, *arguments)

        before = render()
        after = render("--set", "host.config.collectors.loadavg.enabled=false",
                       "--set", "config.log.level=debug")
        self.assertEqual(charts.workloads(before), charts.workloads(after))
        template = charts.workloads(before)[0]["spec"]["template"]
        container = template["spec"]["containers"][0]
        with self.trees["host"].run(container, template, before) as exporter:
            first = exporter.scrape().text
            self.assertIn("loadavg", support.successes(first))
            data = charts.of_kind(after, "ConfigMap")[0]["data"]
            folder = next(path for name, path in exporter.volumes.items() if "config" in name)
            containers.write_config_map(folder, data, "after")
            support.wait_for(lambda: "loadavg" not in support.successes(exporter.scrape().text),
                             10, "the swap is seen")
            second = exporter.scrape().text
            for name in ("process_start_time_seconds", "node_boot_time_seconds"):
                self.assertEqual(support.value(first, name), support.value(second, name))
            for name in ("node_context_switches_total", "sidecar_scrape_duration_seconds_count",
                         "sidecar_http_requests_total"):
                self.assertLess(support.value(first, name) or 0, support.value(second, name))

    def test_200_swaps_under_load_one_in_five_broken_lose_no_scrape(self):
        objects = charts.render(charts.CHART, "--set", "host.enabled=true", *free_ports())
        template = charts.workloads(objects)[0]["spec"]["template"]
        container = template["spec"]["containers"][0]
        text = charts.of_kind(objects, "ConfigMap")[0]["data"]["config.toml"]
        with self.trees["host"].run(container, template, objects) as exporter:
            folder = next(path for name, path in exporter.volumes.items() if "config" in name)
            with support.Load(exporter, 2) as load:
                for number in range(200):
                    broken = number % 5 == 4
                    containers.write_config_map(folder, {"config.toml": text + (
                        "\n[host.collectors.cpu]\nenabled = 7\n" if broken
                        else f"\n# {number}\n")}, f"swap-{number}")
                    if number % 20 in (4, 19):  # the watch gathers what comes at once
                        want = 0 if broken else 1
                        support.wait_for(lambda want=want: support.value(
                            exporter.scrape().text, "sidecar_config_last_reload_successful")
                            == want, 10, f"swap {number} is seen")
            self.assertEqual(load.faults, [])
            self.assertGreater(load.count, 200)
            self.assertEqual(load.resets, [])


if __name__ == "__main__":
    unittest.main()
