"""The Helm chart and its example: lint, every ci/*.yaml, typos, Pod Security, discovery."""

import copy
import json
import unittest

import charts
import discovery
import support

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
              "readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": 65532,
              "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
PORT_NAMES = {9100: "host-metrics", 9187: "pg-metrics", 9233: "tmprl-metrics",
              9900: "sidecar-metrics"}


class Charts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        charts.need_helm()
        copy = charts.example()
        cls.example = copy.__enter__()
        cls.addClassCleanup(copy.__exit__, None, None, None)
        cls.chart = charts.CHART

    def each(self):
        """(chart, ci file, objects), for Kubernetes before and since native sidecars."""
        for chart in (self.chart, self.example):
            for file in charts.ci_values(chart):
                for version in ("1.28", "1.31", "1.35"):
                    with self.subTest(chart=chart.name, values=file.name, kubernetes=version):
                        yield chart, file, charts.render(chart, "-f", str(file),
                                                         "--kube-version", version)

    def objects(self, *arguments):
        return charts.render(self.example, "--kube-version", "1.35", *arguments)


class Rendering(Charts):
    def test_lint_finds_nothing_with_any_values(self):
        for chart in (self.chart, self.example):
            for file in charts.ci_values(chart):
                said = charts.helm("lint", "--strict", str(chart), "-f", str(file))
                self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
                self.assertNotIn("WARNING", said.stdout)

    def test_nothing_is_rendered_as_null(self):
        def walk(value, path):
            self.assertIsNotNone(value, path)
            for key, below in (value.items() if isinstance(value, dict) else
                               enumerate(value) if isinstance(value, list) else ()):
                walk(below, f"{path}/{key}")
        for _, _, objects in self.each():
            for one in objects:
                walk(one, one["kind"])

    def test_names_are_of_one_object_each(self):
        for _, _, objects in self.each():
            names = [(one["kind"], one["metadata"]["name"]) for one in objects]
            self.assertEqual(len(names), len(set(names)))

    def test_no_container_mounts_by_subpath_or_what_is_no_volume(self):
        for _, _, objects in self.each():
            for workload in charts.workloads(objects):
                template = workload["spec"]["template"]
                volumes = {volume["name"] for volume in template["spec"]["volumes"]}
                used = set()
                for container, _ in charts.containers(template):
                    for mount in container["volumeMounts"]:
                        self.assertNotIn("subPath", mount)
                        used.add(mount["name"])
                self.assertEqual(used, volumes)

    def test_a_config_map_that_a_pod_mounts_exists(self):
        for _, _, objects in self.each():
            maps = {one["metadata"]["name"] for one in charts.of_kind(objects, "ConfigMap")}
            for workload in charts.workloads(objects):
                for volume in workload["spec"]["template"]["spec"]["volumes"]:
                    if "configMap" in volume:
                        self.assertIn(volume["configMap"]["name"], maps)

    def test_pods_do_not_restart_when_the_configuration_changes(self):
        before = self.objects()
        after = self.objects("--set", "sidecar-exporters.config.log.level=debug")
        self.assertNotEqual(charts.of_kind(before, "ConfigMap"), charts.of_kind(after, "ConfigMap"))
        self.assertEqual(charts.workloads(before), charts.workloads(after))

    def test_numbers_stay_integers_and_sql_stays_readable(self):
        query = {"name": "big", "sql": "select 1 as \"n\"\nwhere 'a\\b' <> ''\n", "labels": [],
                 "metrics": [{"column": "n", "type": "gauge", "scale": 0.5}]}
        objects = charts.render(self.chart, "--set", "postgres.enabled=true", "--set-json",
                                f"postgres.config.queries={json.dumps([query])}", "--set-json",
                                "config.web={\"max_connections\": 1234567}")
        text = objects[0]["data"]["config.toml"]
        self.assertIn("max_connections = 1234567\n", text + "\n")
        self.assertIn("[[postgres.queries]]\n", text)
        self.assertIn("sql = '''\nselect 1 as \"n\"\nwhere 'a\\b' <> ''\n'''\n", text)
        self.assertIn("[[postgres.queries.metrics]]\n", text)
        self.assertIn("scale = 0.5\n", text)

    def test_the_path_of_the_annotations_is_that_of_the_configuration(self):
        for mode, what in (("services", "Service"), ("pod", "Deployment")):
            objects = charts.render(self.chart, "--set", "postgres.enabled=true", "--set",
                                    f"config.web.telemetry_path=/own,scrape.mode={mode}")
            found = charts.of_kind(objects, what)[0]
            meta = found["metadata"] if what == "Service" else found["spec"]["template"]["metadata"]
            self.assertEqual(meta["annotations"]["prometheus.io/path"], "/own")

    def test_each_image_may_have_a_digest(self):
        digest = "sha256:" + "a" * 64
        objects = charts.render(
            self.chart, "--set", "postgres.enabled=true,temporal.enabled=true", "--set",
            f"image.digests.postgres={digest},image.tag=v1")
        images = sorted(container["image"] for workload in charts.workloads(objects)
                        for container in workload["spec"]["template"]["spec"]["containers"])
        self.assertEqual(images, [f"sidecar-exporters/postgres@{digest}",
                                  "sidecar-exporters/temporal:v1"])

    def test_a_secret_that_is_missing_does_not_stop_the_pod(self):
        optional = [source["secret"].get("optional") for _, _, objects in self.each()
                    for workload in charts.workloads(objects)
                    for volume in workload["spec"]["template"]["spec"]["volumes"]
                    for source in volume.get("projected", {}).get("sources", [])]
        self.assertEqual(set(optional), {True})


class Typos(Charts):
    def test_a_typo_is_refused_by_name(self):
        for typo in ("enabeld=true", "postgres.enabeld=true", "image.tagg=1", "scrape.mod=ports",
                     "combined.prt=1", "temporal.state.claim=x", "daemonSet.hostNetwrk=true",
                     "postgres.secretFiles.password_file.kee=x", "config.prostgres.dsn=x",
                     "probes.timeout=1", "host.resources.limit.memory=1"):
            with self.subTest(typo):
                word = typo.split("=")[0].split(".")
                said = charts.refusal(self.chart, "--set", typo)
                self.assertTrue(any(f"'{part}' not allowed" in said for part in word), said)

    def test_a_typo_in_the_parents_values_is_refused_by_name(self):
        said = charts.refusal(self.example, "--set", "sidecar-exporters.temporal.adress=x")
        self.assertIn("additional properties 'adress' not allowed", said)

    def test_wrong_values_are_refused(self):
        for wrong, part in (("scrape.mode=service", "/scrape/mode"), ("role=sidecar", "/role"),
                            ("host.port=0", "/host/port"), ("image.digest=abc", "/image/digest"),
                            ("postgres.secretFiles.password.secret=x", "password")):
            with self.subTest(wrong):
                self.assertIn(part, charts.refusal(self.chart, "--set", wrong))

    def test_what_cannot_work_together_is_said(self):
        said = charts.refusal(self.example, "--set", "sidecar-exporters.scrape.mode=pod")
        self.assertIn("this pod has 3 exporters", said)
        said = charts.refusal(self.chart, "--set", "host.enabled=true,temporal.enabled=true",
                              "--set", f"image.digest=sha256:{'a' * 64}")
        self.assertIn("there are 2 (host, temporal): use image.digests", said)
        said = charts.refusal(self.chart, "--set", "host.enabled=true,host.config.listen={:1}")
        self.assertIn("host.config.listen", said)


class PodSecurity(Charts):
    def test_every_exporter_is_restricted(self):
        for _, _, objects in self.each():
            for workload in charts.workloads(objects):
                for container in charts.exporters(workload["spec"]["template"]):
                    self.assertEqual(container["securityContext"], RESTRICTED)

    def test_only_the_daemon_set_has_what_restricted_forbids(self):
        for _, _, objects in self.each():
            for workload in charts.workloads(objects):
                spec = workload["spec"]["template"]["spec"]
                self.assertFalse(spec["automountServiceAccountToken"])
                host = [v for v in spec["volumes"] if "hostPath" in v]
                shared = [k for k in ("hostNetwork", "hostPID", "hostIPC") if spec.get(k)]
                if workload["kind"] == "DaemonSet":
                    self.assertEqual([v["hostPath"]["path"] for v in host], ["/"])
                    for container in spec["containers"]:
                        for mount in container["volumeMounts"]:
                            self.assertTrue(mount["readOnly"], mount)
                else:
                    self.assertEqual((host, shared), ([], []))

    def test_the_watcher_never_holds_up_the_watched(self):
        for template in (w["spec"]["template"] for w in charts.workloads(self.objects())):
            for container in charts.exporters(template):
                self.assertEqual({key for key in container if key.endswith("Probe")},
                                 {"livenessProbe"})

    def test_native_sidecars_since_1_29_and_plain_containers_before(self):
        for version, native in (("1.28", False), ("1.29", True), ("1.35", True)):
            template = charts.workloads(charts.render(self.example, "--kube-version", version))[
                0]["spec"]["template"]
            found = [(c["name"], init, c.get("restartPolicy"))
                     for c, init in charts.containers(template) if c["name"] != "order-service"]
            self.assertEqual(found, [(f"{name}-exporter", native, "Always" if native else None)
                                     for name in ("host", "postgres", "temporal")])

    def test_port_names_fit_and_are_of_one_container_each(self):
        for _, _, objects in self.each():
            for workload in charts.workloads(objects):
                names = []
                for container in charts.exporters(workload["spec"]["template"]):
                    for port in container["ports"]:
                        self.assertEqual(port["name"], PORT_NAMES[port["containerPort"]])
                        self.assertLessEqual(len(port["name"]), 15)
                        names.append(port["name"])
                self.assertEqual(len(names), len(set(names)))


class Discovery(Charts):
    """Both kinds of job at once: each exporter is found exactly once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cases = {}
        sidecars = cls.example_with()
        cls.add("sidecars", sidecars)
        cls.add("sidecars, IPv6", sidecars, ("fd00::1", "fd00::2"))
        cls.add("plain", cls.example_with("-f", cls.example / "ci/plain-values.yaml"))
        cls.add("ports", cls.example_with("-f", cls.example / "ci/ports-values.yaml"))
        combined = cls.example_with("-f", cls.example / "ci/combined-values.yaml")
        cls.add("combined", combined)
        cls.add("combined, IPv6", combined, ("fd00::1", "fd00::2"))
        cls.add("none", cls.example_with("--set", "sidecar-exporters.scrape.mode=none"))
        for mode in ("services", "ports", "pod"):
            cls.add(f"own, {mode}", charts.render(
                cls.chart, "-f", str(cls.chart / "ci/all-values.yaml"), "--set",
                f"scrape.mode={mode}"))
        annotated = copy.deepcopy(sidecars)
        charts.workloads(annotated)[0]["spec"]["template"]["metadata"]["annotations"] = {
            "prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
        cls.add("annotated", annotated)
        anyport = copy.deepcopy(annotated)
        charts.workloads(anyport)[0]["spec"]["template"]["metadata"]["annotations"] = {
            "prometheus.io/scrape": "true"}
        cls.add("annotated, no port", anyport)
        cls.found = dict(zip(cls.cases, discovery.found(list(cls.cases.values()))))

    @classmethod
    def example_with(cls, *arguments):
        return charts.render(cls.example, "--kube-version", "1.35", *map(str, arguments))

    @classmethod
    def add(cls, name, objects, addresses=("10.0.0.1", "10.0.0.2")):
        pods = [discovery.Pod(f"{workload['metadata']['name']}-{number}",
                              workload["spec"]["template"], f"{address}{index}")
                for index, workload in enumerate(charts.workloads(objects))
                for number, address in enumerate(addresses)]
        cls.cases[name] = (charts.of_kind(objects, "Service"), pods)

    def exporters_of(self, name):
        return sorted(f"http://{pod.at(port['containerPort'])}/metrics"
                      for pod in self.cases[name][1] for c in pod.init + pod.containers
                      if c["name"].endswith("-exporter") for port in c["ports"])

    def check(self, name, job):
        self.assertEqual(self.found[name], [(job, url) for url in self.exporters_of(name)])

    def test_sidecars_by_a_service_each(self):
        self.assertEqual(len(self.exporters_of("sidecars")), 6)
        for name in ("sidecars", "sidecars, IPv6", "plain"):
            self.check(name, "kubernetes-service-endpoints")

    def test_sidecars_by_port_names(self):
        self.check("ports", "sidecar-exporters")

    def test_one_address_for_all_by_annotations_of_the_pod(self):
        self.assertEqual(len(self.exporters_of("combined")), 2)
        for name in ("combined", "combined, IPv6"):
            self.check(name, "kubernetes-pods")

    def test_pods_of_the_charts_own(self):
        self.check("own, services", "kubernetes-service-endpoints")
        self.check("own, ports", "sidecar-exporters")
        self.check("own, pod", "kubernetes-pods")

    def test_an_application_keeps_its_own_annotations_and_target(self):
        self.assertEqual(self.found["annotated"], [
            ("kubernetes-pods", "http://10.0.0.10:8080/metrics"),
            ("kubernetes-pods", "http://10.0.0.20:8080/metrics"),
            *[("kubernetes-service-endpoints", url) for url in self.exporters_of("annotated")]])

    def test_an_application_that_names_no_port_does_not_add_ours(self):
        self.assertEqual([url for job, url in self.found["annotated, no port"]
                          if job == "kubernetes-service-endpoints"],
                         self.exporters_of("annotated, no port"))
        others = [url for job, url in self.found["annotated, no port"]
                  if job == "kubernetes-pods"]
        self.assertEqual(set(others) & set(self.exporters_of("annotated, no port")), set())
        self.assertTrue(others)

    def test_nothing_is_found_where_nothing_is_asked_for(self):
        self.assertEqual(self.found["none"], [])


del Charts  # the base has no tests of its own

if __name__ == "__main__":
    unittest.main()
