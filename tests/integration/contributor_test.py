"""The path that common/README.md tells a contributor, on a copy of the tree.

The collector is the README's own example: a README that no longer compiles fails here.
"""

import os
import re
import shutil
import unittest

import support
from support import ROOT, run

TREE = ("CMakeLists.txt", "common", "exporters", "proto", "tests/CMakeLists.txt", "tests/support",
        "tests/unit", "tests/fuzz", "tests/golden", "tests/fixtures")
GOLDEN_TEST = "every_collector_test.cc"
FIXTURE = "tests/fixtures/host/vm/proc/sys/kernel/random/entropy_avail"


def readme_collector():
    """The name and the source of the collector in common/README.md."""
    readme = (ROOT / "common/README.md").read_text()
    heading = re.search(r"`exporters/host/collectors/(\w+)\.cc`", readme)
    source = re.search(r"^```cpp\n(.*?)^```$", readme[heading.end():], re.DOTALL | re.MULTILINE)
    return heading.group(1), source.group(1)


def add_word(path, word):
    """The word after COLLECTORS, as the README says."""
    text = path.read_text()
    path.write_text(text.replace("COLLECTORS ", f"COLLECTORS {word} ", 1))


class Contributor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = support.scratch()
        cls.tree = scratch.__enter__()
        cls.addClassCleanup(scratch.__exit__, None, None, None)
        for name in TREE:
            source, target = ROOT / name, cls.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                # Fixtures hold links into directories without a file, which git does not keep.
                shutil.copytree(source, target, symlinks=True)
            elif source.exists():
                shutil.copy2(source, target)
        # Of the host's unit tests only the one that reads the table: the others cost minutes.
        for other in (cls.tree / "tests/unit/exporters/host").glob("*_test.cc"):
            if other.name != GOLDEN_TEST:
                other.unlink()
        configured = run(["cmake", "-S", cls.tree, "-B", cls.tree / "build", "-G", "Ninja",
                          "-DCMAKE_BUILD_TYPE=Debug", "-DSIDECAR_TESTS=ON"], timeout=120)
        assert configured.returncode == 0, configured.stderr
        cls.build()

    @classmethod
    def build(cls):
        """Builds the exporter and its test; the sources that this compiled."""
        built = run(["ninja", "-v", "-C", cls.tree / "build", "host-exporter",
                     "exporters_host_test"], timeout=900)
        assert built.returncode == 0, built.stdout[-4000:]
        return {path.rsplit("/", 1)[1] for path in re.findall(r" -c (\S+\.cc)", built.stdout)}

    def unit_test(self, name, update="0"):
        return run([self.tree / "build/tests/unit/exporters_host_test",
                    f"--gtest_filter=*EveryCollector*/{name}"],
                   env={**os.environ, "UPDATE_GOLDEN": update})

    def test_a_collector_is_one_file_one_word_and_one_golden(self):
        name, source = readme_collector()
        host = self.tree / "build/bin/host-exporter"
        self.assertNotIn(name, run([host, "--list-collectors"]).stdout.split())

        (self.tree / f"exporters/host/collectors/{name}.cc").write_text(source)
        add_word(self.tree / "exporters/host/CMakeLists.txt", name)
        compiled = self.build()
        self.assertEqual(compiled, {f"{name}.cc", "collectors.gen.cc"})

        self.assertIn(name, run([host, "--list-collectors"]).stdout.split())
        text = run([host, "--once"]).stdout
        self.assertEqual(support.successes(text)[name], 1)
        family = re.search(r'"(node_\w+)"', source).group(1)
        self.assertIsNotNone(support.value(text, family))
        self.assertNotIn(name, support.successes(
            run([host, "--once", f"--no-collector.{name}"]).stdout))

        (self.tree / FIXTURE).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / FIXTURE).write_text("256\n")
        self.assertIn(f"{name}.prom; UPDATE_GOLDEN=1 writes it", self.unit_test(name).stdout)
        self.unit_test(name, update="1")
        golden = self.tree / f"tests/golden/host/{name}.prom"
        self.assertIn(f"\n{family} 256\n", golden.read_text())
        said = self.unit_test(name)
        self.assertEqual(said.returncode, 0, said.stdout)
        self.assertIn("[  PASSED  ] 1 test", said.stdout)


if __name__ == "__main__":
    unittest.main()
