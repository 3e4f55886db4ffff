"""Beside node_exporter on this machine: what both claim must agree.

Scraped in the order peer, ours, peer: our counters lie between theirs. What differs is in
peer_differences.toml, each with its reason, and nothing else may.
"""

import re
import tomllib
import unittest

import support

DIFFERENCES = tomllib.loads(
    (support.ROOT / "tests/integration/peer_differences.toml").read_text())
ROUNDING = 1e-9  # 0.001 * n and n / 1000 differ in the last bit

# What 1.12.1 leaves out by default, for the 1.5.0 of Debian, which has other defaults.
FILTERS_OF_1_12 = (
    r"--collector.diskstats.device-exclude="
    r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.filesystem.mount-points-exclude="
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.filesystem.fs-types-exclude="
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|"
    "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|"
    "tracefs)$",
)


class Rules:
    """The reviewed list, for one peer."""

    def __init__(self, version):
        self.differences = [rule for rule in DIFFERENCES["difference"]
                            if rule["peer"] in ("*", version)]

    def says(self, family, key, value):
        return any(rule.get(key) == value and re.fullmatch(rule["families"], family)
                   for rule in self.differences)

    def ignored_labels(self, family):
        return {label for rule in self.differences if re.fullmatch(rule["families"], family)
                for label in rule.get("ignore_labels", ())}

    @staticmethod
    def tolerance(family, near):
        for rule in DIFFERENCES["gauge"]:
            if re.fullmatch(rule["families"], family):
                return max(rule.get("absolute", 0), rule.get("relative", 0) * abs(near))
        return 0


def without(samples, labels):
    return {(name, tuple(pair for pair in pairs if pair[0] not in labels)): number
            for (name, pairs), number in samples.items()}


def outside(number, first, last, tolerance):
    low, high = min(first, last), max(first, last)
    slack = tolerance + ROUNDING * max(abs(low), abs(high))
    return number < low - slack or number > high + slack


class BesidePeer:
    """The tests, for the class of each version."""

    version = ""
    maxDiff = None
    path = None
    flags = ()

    @classmethod
    def start(cls):
        cls.rules = Rules(cls.version)
        theirs = support.peer(cls.path, *cls.flags)
        cls.addClassCleanup(theirs.__exit__)
        ours = support.exporter()
        cls.addClassCleanup(ours.__exit__)
        for process in (theirs, ours):  # both warm
            process.scrape()
        answers = [process.scrape().text for process in (theirs, ours, theirs)]
        cls.first, cls.ours, cls.last = (support.parse(text) for text in answers)

    def shared(self):
        return sorted(set(self.first) & set(self.ours))

    def test_each_family_of_theirs_is_ours_too(self):
        absent = [name for name in sorted(set(self.first) - set(self.ours))
                  if not self.rules.says(name, "skip", "missing")]
        self.assertEqual(absent, [])
        self.assertGreater(len(self.shared()), 100)

    def test_types_agree(self):
        wrong = {name: (self.first[name].type, self.ours[name].type) for name in self.shared()
                 if self.first[name].type != self.ours[name].type}
        self.assertEqual(wrong, {})

    def test_labels_agree(self):
        wrong = {}
        for name in self.shared():
            ignored = self.rules.ignored_labels(name)
            theirs = set(without(self.first[name].samples, ignored))
            ours = set(without(self.ours[name].samples, ignored))
            # What came or went between their two scrapes is nobody's fault.
            theirs_last = set(without(self.last[name].samples, ignored))
            differ = set()
            if not self.rules.says(name, "more", "ours"):
                differ |= ours - (theirs | theirs_last)
            if not self.rules.says(name, "more", "theirs"):
                differ |= (theirs & theirs_last) - ours
            if differ:
                wrong[name] = sorted(differ)
        self.assertEqual(wrong, {})

    def test_counters_lie_between_theirs_and_gauges_near_them(self):
        wrong, compared = [], 0
        for name in self.shared():
            if self.rules.says(name, "skip", "values"):
                continue
            ignored = self.rules.ignored_labels(name)
            first, ours, last = (without(side[name].samples, ignored)
                                 for side in (self.first, self.ours, self.last))
            for key in first.keys() & ours.keys() & last.keys():
                compared += 1
                slack = (self.rules.tolerance(name, first[key])
                         if self.ours[name].type == "gauge" else 0)
                if outside(ours[key], first[key], last[key], slack):
                    wrong.append((key, first[key], ours[key], last[key]))
        self.assertEqual(wrong, [])
        self.assertGreater(compared, 150)


class BesideDebians(BesidePeer, unittest.TestCase):
    version = "1.5.0"
    # Debian's default is a folder that is not there unless the package is installed.
    flags = (*FILTERS_OF_1_12, "--collector.textfile.directory=")

    @classmethod
    def setUpClass(cls):
        cls.path = support.DEBIAN_PEER
        cls.start()


class BesideTheNewest(BesidePeer, unittest.TestCase):
    version = "1.12.1"

    @classmethod
    def setUpClass(cls):
        cls.path = support.new_peer()
        cls.start()


if __name__ == "__main__":
    unittest.main()
