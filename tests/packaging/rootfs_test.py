"""The tree that becomes the image: what the binary needs and nothing else."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import support

NAMES = ("host", "postgres", "temporal", "sidecar")
OTHERS = {"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt"}
MOUNT_POINTS = {"proc", "sys", "dev", "tmp", "run/secrets", "etc/sidecar-exporters",
                "var/lib/sidecar-exporters"}


class Rootfs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-exporters."))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        for name in NAMES:
            said = cls.make(name, cls.folder / name)
            assert said.returncode == 0, said.stderr

    @staticmethod
    def make(*arguments):
        return support.run([support.ROOT / "deploy/docker/rootfs", *arguments,
                            support.RELEASE / "bin"], timeout=120)

    def files(self, name):
        root = self.folder / name
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def test_nothing_is_inside_that_ldd_does_not_ask_for(self):
        for name in NAMES:
            asked = support.run(["ldd", support.binary(f"{name}-exporter")]).stdout
            libraries = set(re.findall(r"(/\S+) \(0x", asked))
            self.assertGreater(len(libraries), 3)
            rest = {path for path in self.files(name) if not path.startswith("usr/share/doc/")}
            self.assertEqual(rest, {library.lstrip("/") for library in libraries}
                             | {f"usr/bin/{name}-exporter"} | OTHERS, name)

    def test_empty_directories_are_mount_points(self):
        for name in NAMES:
            root = self.folder / name
            empty = {str(path.relative_to(root)) for path in root.rglob("*")
                     if path.is_dir() and not any(path.iterdir())}
            self.assertEqual(empty, MOUNT_POINTS)

    def test_everybody_can_read_it_and_nothing_is_special(self):
        for name in NAMES:
            for path in (self.folder / name).rglob("*"):
                mode = path.lstat().st_mode
                self.assertFalse(path.is_symlink(), path)
                self.assertEqual(mode & 0o6000, 0, path)
                self.assertEqual(mode & 0o444, 0o444, path)
                if path.name != "tmp":
                    self.assertEqual(mode & 0o022, 0, path)

    def test_each_library_brings_its_licence(self):
        for name in NAMES:
            licences = {path.parent.name for path in (
                self.folder / name / "usr/share/doc").glob("*/copyright*")}
            self.assertIn("sidecar-exporters", licences)
            for library in (self.folder / name / "lib").rglob("*.so*"):
                real = os.path.realpath("/" + str(library.relative_to(self.folder / name)))
                owners = support.run(["dpkg", "-S", real, real.removeprefix("/usr")]).stdout
                self.assertIn(owners.split(":")[0], licences, library)

    def test_the_binary_runs_on_it_alone(self):
        if os.geteuid() != 0:
            support.optional("chroot needs root")
        for name in NAMES:
            said = support.run(["chroot", "--userspec=65532:65532", self.folder / name,
                                f"/usr/bin/{name}-exporter", "--version"])
            self.assertEqual(said.returncode, 0, said.stderr)
            self.assertTrue(said.stdout.startswith(f"{name}-exporter, version "), said.stdout)

    def test_wrong_use_is_said_in_one_line(self):
        for arguments in (("hots", self.folder / "x"), ("host", self.folder / "host"), ("host",)):
            said = subprocess.run([str(support.ROOT / "deploy/docker/rootfs"),
                                   *map(str, arguments)], capture_output=True, text=True,
                                  check=False, timeout=30)
            self.assertEqual(said.returncode, 2)
            self.assertEqual(said.stderr.count("\n"), 1, said.stderr)


if __name__ == "__main__":
    unittest.main()
