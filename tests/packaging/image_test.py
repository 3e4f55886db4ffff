"""The images on a real container engine: read-only, as 65532, with no capability."""

import json
import pathlib
import unittest

import engine
import support

NAMES = ("host", "postgres", "temporal", "sidecar")
SHUT = ("--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--health-interval=1s")
# What it may need at most, in bytes: a change of this size is a decision.
LARGEST = {"host": 10e6, "postgres": 30e6, "temporal": 45e6, "sidecar": 65e6}


def configuration(folder, name):
    """A directory to mount: every address of the container on a free port of the loopback."""
    ports = {table: support.free_port() for table in ("host", "postgres", "temporal", "sidecar")}
    folder.mkdir()
    folder.chmod(0o755)
    text = "".join(f'[{table}]\nlisten = ["127.0.0.1:{port}"]\n' for table, port in ports.items())
    (folder / "config.toml").write_text(text)
    return ports[name]


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        engine.need()
        cls.docker = engine.Engine().__enter__()
        cls.addClassCleanup(cls.docker.__exit__)
        cls.sizes = {name: cls.docker.build(name) for name in NAMES}

    def start(self, folder, name):
        port = configuration(folder, name)
        identifier = self.docker.must(
            "run", "-d", *SHUT, "-v", f"{folder}:/etc/sidecar-exporters:ro",
            f"sidecar-exporters/{name}")
        try:
            support.wait_for(lambda: self.answers(port), 20, f"{name} answers")
        except AssertionError:
            print(self.docker.client("logs", identifier))
            raise
        return identifier, port

    @staticmethod
    def answers(port):
        try:
            return support.request(port, "/-/ready").status == 200
        except OSError:
            return False

    def state(self, identifier):
        return json.loads(self.docker.must("inspect", identifier))[0]["State"]

    def test_each_runs_shut_in_is_healthy_and_ends_at_once(self):
        for name in NAMES:
            with self.subTest(name), support.scratch() as folder:
                identifier, port = self.start(folder / "config", name)
                self.assertIn("\nprocess_cpu_seconds_total ", support.request(port).text)
                pid = self.state(identifier)["Pid"]
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                self.assertRegex(status, r"\nUid:\t65532\t65532\t65532\t65532\n")
                self.assertRegex(status, r"\nCapEff:\t0+\n")
                self.assertRegex(status, r"\nCapBnd:\t0+\n")
                self.assertRegex(status, r"\nNoNewPrivs:\t1\n")
                support.wait_for(
                    lambda: self.state(identifier)["Health"]["Status"] == "healthy", 20,
                    f"{name} is healthy")
                self.docker.must("stop", "-t", "10", identifier)
                self.assertEqual(self.state(identifier)["ExitCode"], 0)

    def test_a_stopped_exporter_is_unhealthy(self):
        with support.scratch() as folder:
            configuration(folder / "config", "host")
            said = self.docker.client(
                "run", "--rm", *SHUT, "-v", f"{folder}/config:/etc/sidecar-exporters:ro",
                "sidecar-exporters/host", "healthcheck", "--config.dir=/etc/sidecar-exporters")
            self.assertEqual(said.returncode, 1)
            self.assertIn("Connection refused", said.stderr)

    def test_there_is_no_shell(self):
        for shell in ("/bin/sh", "/bin/bash", "/usr/bin/env"):
            said = self.docker.client("run", "--rm", "--entrypoint", shell,
                                      "sidecar-exporters/host")
            self.assertEqual(said.returncode, 127, said.stderr)

    def test_they_are_small(self):
        print("image sizes, MB:", {name: round(size / 1e6, 1) for name, size in self.sizes.items()})
        for name, size in self.sizes.items():
            self.assertLess(size, LARGEST[name], name)


if __name__ == "__main__":
    unittest.main()
