"""Beside Debian's postgres_exporter (0.11.1) on one quiet server: what both serve must agree.

Scraped in the order peer, ours, peer: our values lie between theirs. Its names and labels are older
than those of 0.20, which we follow: what differs is in postgres_peer_differences.toml, each with its
reason, and nothing else may.
"""

import contextlib
import os
import re
import subprocess
import tomllib
import unittest

import postgres_support
import support

PEER = support.TOOLS / "postgres-exporter/usr/bin/prometheus-postgres-exporter"
DIFFERENCES = tomllib.loads(
    (support.ROOT / "tests/integration/postgres_peer_differences.toml").read_text())["difference"]
ROUNDING = 1e-9
# Those of ours that run in the background have run when the comparison begins.
QUICK = "".join(f'[postgres.collectors.{name}]\ninterval = "1s"\n'
                for name in ("database_size", "settings", "stat_user_tables",
                             "statio_user_tables", "table_size", "wal"))


def peer_binary():
    if not PEER.exists():
        subprocess.run(["bash", "-c", "source deploy/lib/install.sh; unpack_packages"
                        f" '{PEER.parents[2]}' prometheus-postgres-exporter"],
                       cwd=support.ROOT, check=True, timeout=300)
    return PEER


def peer(server, *flags):
    port = support.free_port()
    environment = {**os.environ, "DATA_SOURCE_NAME": server.dsn(sslmode="disable")}
    return support.Process([peer_binary(), f"--web.listen-address=127.0.0.1:{port}", *flags],
                           port, ready="/", env=environment)


def summed(family, ignored):
    """Samples without these labels; those that become equal are added up."""
    samples = {}
    for (name, pairs), number in family.samples.items():
        key = (name, tuple(pair for pair in pairs if pair[0] not in ignored))
        samples[key] = samples.get(key, 0) + number
    return samples


class BesidePeer(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        server = cls.stack.enter_context(postgres_support.Server(
            15, settings=("autovacuum = off", "wal_level = logical")))
        server.monitor_role()
        server.sql("CREATE DATABASE app")
        server.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)",
                   "SELECT pg_create_physical_replication_slot('s', true)", "CHECKPOINT",
                   database="app")
        cls.stack.enter_context(server.held("BEGIN", "LOCK TABLE t IN SHARE MODE", database="app"))
        theirs = cls.stack.enter_context(peer(server))
        folder = cls.stack.enter_context(support.scratch())
        ours = cls.stack.enter_context(postgres_support.exporter(
            server, folder=folder, config=f'[postgres]\ndsn = "{server.dsn()}"\n{QUICK}'))
        support.wait_for(lambda: support.value(ours.scrape().text, "pg_database_size_bytes"), 20,
                         "the sizes are there")
        theirs.scrape()
        answers = [process.scrape().text for process in (theirs, ours, theirs)]
        cls.first, cls.ours, cls.last = (support.parse(text) for text in answers)

    def shared(self):
        return sorted(name for name in set(self.first) & set(self.ours) if name.startswith("pg_"))

    said = DIFFERENCES

    def rules(self, family):
        return [rule for rule in self.said if re.fullmatch(rule["families"], family)]

    def says(self, family, key, value):
        return any(rule.get(key) == value for rule in self.rules(family))

    def ignored_labels(self, family):
        return {label for rule in self.rules(family) for label in rule.get("ignore_labels", ())}

    def tolerance(self, family):
        return max((rule["absolute"] for rule in self.rules(family) if "absolute" in rule),
                   default=0)

    def absent(self):
        return [name for name in sorted(set(self.first) - set(self.ours))
                if not self.says(name, "skip", "missing")]

    def wrong_types(self):
        return {name: (self.first[name].type, self.ours[name].type) for name in self.shared()
                if self.first[name].type != self.ours[name].type
                and not self.says(name, "skip", "type")}

    def wrong_labels(self):
        wrong = {}
        for name in self.shared():
            ignored = self.ignored_labels(name)
            theirs, ours = (set(summed(side[name], ignored)) for side in (self.first, self.ours))
            differ = set()
            if not self.says(name, "more", "ours"):
                differ |= ours - theirs
            if not self.says(name, "more", "theirs"):
                differ |= theirs - ours
            if differ:
                wrong[name] = sorted(differ)
        return wrong

    def compared(self):
        """(key, low, ours, high, slack) of every sample that both have."""
        for name in self.shared():
            if self.says(name, "skip", "values"):
                continue
            ignored = self.ignored_labels(name)
            first, ours, last = (summed(side[name], ignored)
                                 for side in (self.first, self.ours, self.last))
            for key in first.keys() & ours.keys() & last.keys():
                low, high = sorted((first[key], last[key]))
                slack = self.tolerance(name) + ROUNDING * max(abs(low), abs(high))
                yield key, low, ours[key], high, slack

    def wrong_values(self):
        return [(key, low, ours, high) for key, low, ours, high, slack in self.compared()
                if not low - slack <= ours <= high + slack]

    def test_each_family_of_theirs_is_ours_too(self):
        self.assertEqual(self.absent(), [])
        self.assertGreater(len(self.shared()), 280)

    def test_types_agree(self):
        self.assertEqual(self.wrong_types(), {})

    def test_labels_agree(self):
        self.assertEqual(self.wrong_labels(), {})

    def test_values_lie_between_theirs(self):
        self.assertEqual(self.wrong_values(), [])
        self.assertGreater(len(list(self.compared())), 350)

    def faults(self, rules):
        """What would be wrong with only these differences allowed."""
        said = self.said
        try:
            self.said = rules
            return (self.absent(), self.wrong_types(), self.wrong_labels(), self.wrong_values())
        finally:
            self.said = said

    def test_each_difference_is_still_one(self):
        """A rule without which nothing would be wrong must go."""
        unused = [rule["families"] for rule in DIFFERENCES
                  if self.faults([other for other in DIFFERENCES if other is not rule])
                  == self.faults(DIFFERENCES)]
        self.assertEqual(unused, [])


if __name__ == "__main__":
    unittest.main()
