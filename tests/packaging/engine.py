"""A container engine of the test's own: dockerd with its data in a scratch directory.

    with engine.Engine() as docker: docker.run_client("images")
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import support

DOCKERFILE = support.ROOT / "deploy/docker/Dockerfile"


def need():
    if os.geteuid() != 0:
        support.optional("a container engine needs root")
    if not shutil.which("dockerd"):
        support.optional("no dockerd: apt-get install docker.io")


class Engine:
    """Without a bridge and without iptables: containers share the host's network, or have none."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-docker."))
        self.socket = f"unix://{self.folder}/docker.sock"
        self.log = open(self.folder / "log", "wb")
        self.daemon = subprocess.Popen(
            # Its mounts go with it: some it leaves behind.
            ["unshare", "--mount", "--propagation", "private",
             "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
             f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec",
             f"--pidfile={self.folder}/pid", "-H", self.socket],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            support.wait_for(lambda: self.client("version").returncode == 0, 60, "dockerd answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for identifier in self.client("ps", "-aq").stdout.split():
            self.client("rm", "-f", identifier)
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, *arguments, timeout=120):
        client = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
        return support.run([client, "-H", self.socket, *arguments], timeout=timeout)

    def must(self, *arguments, **options):
        said = self.client(*arguments, **options)
        if said.returncode != 0:
            raise AssertionError(f"docker {arguments}: {said.stdout}{said.stderr}")
        return said.stdout.strip()

    def build(self, name):
        """The image of one exporter: the Dockerfile's last stage over the tree of a local build."""
        context = self.folder / f"context-{name}"
        context.mkdir()
        said = support.run([support.ROOT / "deploy/docker/rootfs", name, context / "rootfs",
                            support.RELEASE / "bin"])
        assert said.returncode == 0, said.stderr
        (context / "Dockerfile").write_text(last_stage(name))
        self.must("build", "-q", "-t", f"sidecar-exporters/{name}", str(context))
        shutil.rmtree(context)
        return int(self.must("inspect", "-f", "{{.Size}}", f"sidecar-exporters/{name}"))


def last_stage(name):
    stages = re.split(r"(?m)^(?=FROM )", DOCKERFILE.read_text())
    stage = next(part for part in stages if part.startswith(f"FROM scratch AS {name}\n"))
    copied = stage.replace(f"COPY --from=build-{name} /rootfs /", "COPY rootfs /")
    assert copied != stage
    return copied
