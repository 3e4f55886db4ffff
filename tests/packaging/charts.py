"""Renders the charts with helm, which tests/run fetches (deploy/lib/helm.sh)."""

import contextlib
import pathlib
import shutil
import tempfile
import unittest

import yaml

import support

HELM = support.TOOLS / "helm/helm"
CHART = support.ROOT / "helm/sidecar-exporters"
EXAMPLE = support.ROOT / "helm/examples/order-service"


def need_helm():
    if not HELM.exists():
        raise unittest.SkipTest("no helm: it comes from npm, which this machine does not have")


def helm(*arguments):
    home = support.TOOLS / "helm/home"
    return support.run([HELM, *arguments], timeout=60, env={
        "HOME": str(home), "HELM_CACHE_HOME": str(home), "PATH": "/usr/bin:/bin"})


def ci_values(chart):
    files = sorted((chart / "ci").glob("*.yaml"))
    assert files, f"{chart} has no ci/*.yaml"
    return files


def render(chart, *arguments, release="r"):
    """The objects of a release."""
    said = helm("template", release, str(chart), "--namespace", "shop", *arguments)
    if said.returncode != 0:
        raise AssertionError(said.stderr)
    return [document for document in yaml.safe_load_all(said.stdout) if document]


def refusal(chart, *arguments):
    """What helm says of values that it must refuse."""
    said = helm("template", "r", str(chart), *arguments)
    assert said.returncode != 0, f"rendered although {arguments}"
    return said.stderr


@contextlib.contextmanager
def example():
    """A copy of the example with its dependency in place: nothing is written into the tree."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-exporters."))
    try:
        shutil.copytree(support.ROOT / "helm", folder / "helm")
        chart = folder / "helm/examples/order-service"
        said = helm("dependency", "update", str(chart))
        assert said.returncode == 0, said.stderr
        yield chart
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def workloads(objects):
    return [one for one in objects if one["kind"] in ("Deployment", "DaemonSet")]


def containers(template):
    """(container, whether it is an init container) of a pod template."""
    spec = template["spec"]
    return [(c, True) for c in spec.get("initContainers") or []] + [
        (c, False) for c in spec["containers"]]


def exporters(template):
    return [c for c, _ in containers(template) if c["name"].endswith("-exporter")]
