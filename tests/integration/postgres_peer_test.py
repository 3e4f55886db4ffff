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


def says(family, key, value):
    return any(rule.get(key) == value and re.fullmatch(rule["families"], family)
               for rule in DIFFERENCES)


def ignored_labels(family):
    return {label for rule in DIFFERENCES if re.fullmatch(rule["families"], family)
            for label in rule.get("ignore_labels", ())}


def tolerance(family):
    return max([rule["absolute"] for rule in DIFFERENCES
                if "absolute" in rule and re.fullmatch(rule["families"], family)], default=0)


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

    def test_each_family_of_theirs_is_ours_too(self):
        absent = [name for name in sorted(set(self.first) - set(self.ours))
                  if not says(name, "skip", "missing")]
        self.assertEqual(absent, [])
        self.assertGreater(len(self.shared()), 280)

    def test_types_agree(self):
        wrong = {name: (self.first[name].type, self.ours[name].type) for name in self.shared()
                 if self.first[name].type != self.ours[name].type
                 and not says(name, "skip", "type")}
        self.assertEqual(wrong, {})

    def test_labels_agree(self):
        wrong = {}
        for name in self.shared():
            ignored = ignored_labels(name)
            theirs, ours = (set(summed(side[name], ignored)) for side in (self.first, self.ours))
            differ = set()
            if not says(name, "more", "ours"):
                differ |= ours - theirs
            if not says(name, "more", "theirs"):
                differ |= theirs - ours
            if differ:
                wrong[name] = sorted(differ)
        self.assertEqual(wrong, {})

    def test_values_lie_between_theirs(self):
        wrong, compared = [], 0
        for name in self.shared():
            if says(name, "skip", "values"):
                continue
            ignored = ignored_labels(name)
            first, ours, last = (summed(side[name], ignored)
                                 for side in (self.first, self.ours, self.last))
            for key in first.keys() & ours.keys() & last.keys():
                compared += 1
                low, high = sorted((first[key], last[key]))
                slack = tolerance(name) + ROUNDING * max(abs(low), abs(high))
                if not low - slack <= ours[key] <= high + slack:
                    wrong.append((key, low, ours[key], high))
        self.assertEqual(wrong, [])
        self.assertGreater(compared, 350)

    def test_each_difference_is_still_one(self):
        """A rule that nothing needs any more must go."""
        families = set(self.first)
        unused = [rule["families"] for rule in DIFFERENCES
                  if not any(re.fullmatch(rule["families"], name) for name in families)]
        self.assertEqual(unused, [])


if __name__ == "__main__":
    unittest.main()
