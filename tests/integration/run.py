#!/usr/bin/python3
"""Runs the whole-binary and the packaging tests; the last line counts them.

    tests/integration/run.py                    all; what mostly waits beside the others
    tests/integration/run.py binary_test        one file
    tests/integration/run.py -k Sigterm         by a part of the name
"""

import argparse
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = (HERE, HERE.parent / "packaging")
FILES_OPEN = 20_000  # a login has 1,024, and the tests are hundreds of peers at once
# Nine minutes in which they wait more than they work.
WAITING = ("temporal_exact_test", "postgres_silence_test", "postgres_logins_test")
# What wants the machine for itself, so it comes after them.
BUSY = ("abuse_test", "fire_test", "instructions_test", "quickstart_test")


class Result(unittest.TextTestResult):
    """One line a test with its time; what was skipped is named with its reason."""

    def startTest(self, test):
        self._began = time.monotonic()
        super().startTest(test)

    def _line(self, test, verdict):
        took = time.monotonic() - self._began
        self.stream.writeln(f"{verdict:<8} {took:6.1f} s  {test.id()}")
        self.stream.flush()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.passed = getattr(self, "passed", 0) + 1
        self._line(test, "ok")

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._line(test, "FAILED")

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._line(test, "FAILED")

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        kind, text = ("optional", reason.removeprefix("optional: ")) if reason.startswith(
            "optional: ") else ("skipped", reason)
        self.stream.writeln(f"{kind}: {test.id()}: {text}")

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self._line(subtest, "FAILED")


def files(folders):
    return [path.stem for folder in folders for path in sorted(folder.glob("*_test.py"))]


def run(names, patterns=None):
    """Runs the tests of these files; how many passed, failed and were skipped."""
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = [f"*{part}*" for part in patterns]
    suite = unittest.TestSuite(loader.loadTestsFromName(name) for name in names)
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    result = runner.run(suite)
    failed = len({test.id().split(" (")[0] for test, _ in result.failures + result.errors})
    return getattr(result, "passed", 0), failed, len(result.skipped)


def beside(names, work):
    """Runs files in a process of their own while `work` runs here."""
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen([sys.executable, __file__, *names], stdout=output,
                              stderr=subprocess.STDOUT) as other:
            counts = work()
            status = other.wait()
        output.seek(0)
        *lines, last = output.read().splitlines() or [""]
    print("\n".join(lines))
    found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", last)
    theirs = [int(count) for count in found.groups()] if found else [0, 0, 0]
    if status != 0 and theirs[1] == 0:
        print(f"FAILED  {' '.join(names)}: ended with {status}: {last}")
        theirs[1] = 1
    return [sum(pair) for pair in zip(counts, theirs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="names such as binary_test; all if none")
    parser.add_argument("-k", action="append", help="only tests whose name holds this")
    options = parser.parse_args()
    sys.path[:0] = [str(folder) for folder in FOLDERS]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_OPEN if hard == resource.RLIM_INFINITY else min(hard, FILES_OPEN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    wanted = [file.removesuffix(".py") for file in options.files]
    if wanted or options.k:
        counts = run([name for name in files(FOLDERS) if not wanted or name in wanted], options.k)
    else:
        others = [name for name in files(FOLDERS) if name not in WAITING + BUSY]
        counts = beside(WAITING, lambda: run(others))
        counts = [sum(pair) for pair in zip(counts, run(BUSY))]
    passed, failed, skipped = counts
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed + skipped > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
