"""Instructions of the encoder and of a scrape over fixtures, counted by callgrind, against what they
were when last reviewed (instructions.toml): a machine's noise does not move them.

    UPDATE_INSTRUCTIONS=1 tests/integration/run.py instructions_test     writes what it counts
"""

import os
import re
import subprocess
import tomllib
import unittest

import support

BASELINE = support.ROOT / "tests/integration/instructions.toml"
# What reads only files below the roots: the others read the machine itself.
COLLECTORS = ("cpu", "diskstats", "filefd", "loadavg", "meminfo", "pressure", "stat", "vmstat")
HEAD = """\
# Instructions, as callgrind counts them in the release build: reviewed like code. A change of more
# than `tolerance` fails instructions_test.py, which says how to write the new numbers.
"""


def callgrind(*command):
    return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command)]


def collected(text):
    return int(re.search(r"Collected : (\d+)", text).group(1))


def encoding(form, repetitions):
    done = support.run(callgrind(support.binary("encode_instructions"), form, repetitions),
                       timeout=120)
    assert done.returncode == 0, done.stderr
    return collected(done.stderr)


def scraping(scrapes):
    """Instructions of a whole life of host-exporter with so many scrapes."""
    port = support.free_port()
    fixtures = support.ROOT / "tests/fixtures/host/vm"
    process = subprocess.Popen(
        callgrind(support.binary("host-exporter"), f"--web.listen-address=127.0.0.1:{port}",
                  "--collector.disable-defaults", *(f"--collector.{c}" for c in COLLECTORS),
                  f"--path.procfs={fixtures}/proc", f"--path.sysfs={fixtures}/sys",
                  "--no-config.watch", "--log.level=error"),
        stderr=subprocess.PIPE, text=True)
    try:
        def answers():
            try:
                return support.request(port, "/-/healthy")
            except OSError:
                return None
        support.wait_for(answers, 60, "the exporter answers")
        for _ in range(scrapes):
            found = support.successes(support.request(port, timeout=30).text)
            assert all(found[name] == 1 for name in COLLECTORS), found
    finally:
        process.terminate()
        text = process.communicate(timeout=60)[1]
    return collected(text)


class Instructions(unittest.TestCase):
    def test_encoder_and_scrape_cost_what_they_did_when_reviewed(self):
        counted = {
            "encode_text": (encoding("text", 12) - encoding("text", 2)) // 10,
            "encode_openmetrics":
                (encoding("openmetrics", 12) - encoding("openmetrics", 2)) // 10,
            "scrape_of_fixtures": (scraping(60) - scraping(10)) // 50,
        }
        baseline = tomllib.loads(BASELINE.read_text())
        tolerance = baseline["tolerance"]
        print("instructions:", ", ".join(f"{k} {v} ({v / baseline.get(k, v):.3f} of the reviewed)"
                                         for k, v in counted.items()))
        if os.environ.get("UPDATE_INSTRUCTIONS") == "1":
            lines = [f"tolerance = {tolerance}", *(f"{k} = {v}" for k, v in counted.items())]
            BASELINE.write_text(HEAD + "\n".join(lines) + "\n")
            return
        for name, value in counted.items():
            with self.subTest(name):
                self.assertAlmostEqual(
                    value / baseline[name], 1, delta=tolerance,
                    msg=f"{name}: {value} instructions, reviewed {baseline[name]}; "
                        "UPDATE_INSTRUCTIONS=1 writes the new number")


if __name__ == "__main__":
    unittest.main()
