#!/usr/bin/python3
"""Runs the whole-binary and the packaging tests; the last line counts them.

    tests/integration/run.py                    all
    tests/integration/run.py binary_test        one file
    tests/integration/run.py -k Sigterm         by a part of the name
"""

import argparse
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = (HERE, HERE.parent / "packaging")


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="names such as binary_test; all if none")
    parser.add_argument("-k", action="append", help="only tests whose name holds this")
    options = parser.parse_args()
    sys.path[:0] = [str(folder) for folder in FOLDERS]
    loader = unittest.TestLoader()
    if options.k:
        loader.testNamePatterns = [f"*{part}*" for part in options.k]
    suite = unittest.TestSuite()
    for path in sorted(path for folder in FOLDERS for path in folder.glob("*_test.py")):
        if not options.files or path.stem in {file.removesuffix(".py") for file in options.files}:
            suite.addTests(loader.loadTestsFromName(path.stem))
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    result = runner.run(suite)
    failed = len({test.id().split(" (")[0] for test, _ in result.failures + result.errors})
    passed = getattr(result, "passed", 0)
    print(f"{passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 0 if failed == 0 and passed + len(result.skipped) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
