"""Kubernetes discovery without Kubernetes: pods and Services as Prometheus' SD would present them.

    [[("kubernetes-pods", "http://10.0.0.1:9100/metrics")]] = found([(services, [Pod(...)])])

The rules of Prometheus' discovery (kubernetes-live.md 3): role pod has one target a declared port
of every container, init containers too, and one without port for a container without ports; role
endpointslice has one a Service's port and pod, and one for each other declared port of the pod's
containers (not of its init containers).
"""

import copy
import json
import re
import urllib.request

import support
import yaml


class Pod:
    """A pod as a controller would make it of a template."""

    def __init__(self, name, template, address, node="node-1", namespace="shop"):
        self.name, self.address, self.node, self.namespace = name, address, node, namespace
        self.labels = template["metadata"].get("labels") or {}
        self.annotations = template["metadata"].get("annotations") or {}
        self.containers = template["spec"].get("containers") or []
        self.init = template["spec"].get("initContainers") or []

    def at(self, port):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{port}" if port else host

    def port_of(self, target):
        """A number is taken as it is; names of init containers' ports are not found before 1.33."""
        if isinstance(target, int):
            return target
        for container in self.containers:
            for port in container.get("ports") or []:
                if target == port.get("name"):
                    return port["containerPort"]
        raise AssertionError(f"{self.name} has no port {target}")


def clean(name):
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _meta(kind, what, pairs):
    labels = {}
    for name, value in pairs.items():
        labels[f"__meta_kubernetes_{kind}_{what}_{clean(name)}"] = value
        labels[f"__meta_kubernetes_{kind}_{what}present_{clean(name)}"] = "true"
    return labels


def _pod_meta(pod):
    return {"__meta_kubernetes_namespace": pod.namespace,
            "__meta_kubernetes_pod_name": pod.name, "__meta_kubernetes_pod_ip": pod.address,
            "__meta_kubernetes_pod_phase": "Running", "__meta_kubernetes_pod_ready": "true",
            "__meta_kubernetes_pod_node_name": pod.node,
            **_meta("pod", "label", pod.labels), **_meta("pod", "annotation", pod.annotations)}


def _port_meta(container, port, init):
    meta = {"__meta_kubernetes_pod_container_name": container["name"],
            "__meta_kubernetes_pod_container_image": container["image"],
            "__meta_kubernetes_pod_container_init": "true" if init else "false"}
    if port:
        meta |= {"__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                 "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
                 "__meta_kubernetes_pod_container_port_protocol": "TCP"}
    return meta


def pod_targets(pods):
    targets = []
    for pod in pods:
        for init, containers in ((False, pod.containers), (True, pod.init)):
            for container in containers:
                for port in container.get("ports") or [None]:
                    targets.append({"targets": [pod.at(port and port["containerPort"])],
                                    "labels": _pod_meta(pod) | _port_meta(container, port, init)})
    return targets


def endpoint_targets(services, pods):
    targets = []
    for service in services:
        meta = service["metadata"]
        common = {"__meta_kubernetes_service_name": meta["name"],
                  **_meta("service", "annotation", meta.get("annotations") or {}),
                  **_meta("service", "label", meta.get("labels") or {})}
        selector = service["spec"]["selector"]
        for pod in pods:
            if selector.items() <= pod.labels.items():
                targets += _endpoints(service, pod, common)
    return targets


def _endpoints(service, pod, common):
    targets, used = [], set()
    for port in service["spec"]["ports"]:
        number = pod.port_of(port.get("targetPort", port["port"]))
        used.add(number)
        targets.append({"targets": [pod.at(number)], "labels": {
            **common, **_pod_meta(pod),
            "__meta_kubernetes_endpointslice_port_name": port.get("name", "")}})
    for container in pod.containers:
        for port in container.get("ports") or []:
            if port["containerPort"] not in used:
                targets.append({"targets": [pod.at(port["containerPort"])],
                                "labels": {**common, **_pod_meta(pod),
                                           **_port_meta(container, port, False)}})
    return targets


def configuration(folder, cases):
    """deploy/prometheus/kubernetes.yml once a case, with its discovery replaced by files; and the
    names of the jobs that are offered any target."""
    shipped = yaml.safe_load((support.ROOT / "deploy/prometheus/kubernetes.yml").read_text())
    jobs, offered = [], set()
    for number, (services, pods) in enumerate(cases):
        roles = {"pod": pod_targets(pods), "endpointslice": endpoint_targets(services, pods)}
        for role, targets in roles.items():
            (folder / f"{number}-{role}.json").write_text(json.dumps(targets))
        for job in copy.deepcopy(shipped["scrape_configs"]):
            role = job.pop("kubernetes_sd_configs")[0]["role"]
            job["job_name"] = f"{number}/{job['job_name']}"
            job["file_sd_configs"] = [{"files": [str(folder / f"{number}-{role}.json")]}]
            jobs.append(job)
            offered |= {job["job_name"]} if roles[role] else set()
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump({"global": {"scrape_interval": "1h"}, "scrape_configs": jobs}))
    return path, offered


def found(cases):
    """What a real Prometheus finds in each case, a list of Services and one of Pods: a sorted list
    of (job, URL)."""
    with support.scratch() as folder:
        port = support.free_port()
        config, offered = configuration(folder, cases)
        with support.Process([support.PROMETHEUS, f"--config.file={config}",
                              f"--storage.tsdb.path={folder / 'data'}",
                              f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], port):
            def settled():
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets",
                                            timeout=10) as reply:
                    data = json.load(reply)["data"]
                known = {target["scrapePool"] for target in data["activeTargets"]} | {
                    target["discoveredLabels"]["job"] for target in data["droppedTargets"]}
                return offered <= known and data["activeTargets"]
            # Prometheus takes over what was discovered every five seconds.
            active = support.wait_for(settled, 30, "the targets were discovered")
    results = [[] for _ in cases]
    for target in active:
        number, job = target["scrapePool"].split("/", 1)
        results[int(number)].append((job, target["scrapeUrl"]))
    return [sorted(result) for result in results]
