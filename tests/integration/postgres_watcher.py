"""Scrapes an exporter through a fault, and holds it to its deadline and its budget meanwhile."""

import contextlib
import pathlib
import re
import time

import postgres_support as pg
import support

BUDGET = 4
DEADLINE = 5.0  # what the scrapes here say that they wait


def processes(server, user="monitor"):
    """How many backends the server has for it, as the kernel counts them: also those that have not
    got as far as pg_stat_activity."""
    count = 0
    for pid in server.backends():
        with contextlib.suppress(OSError):
            title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            count += title.startswith(f"postgres: {user} ")
    return count


class Watcher:
    """Scrapes one exporter, and at each scrape looks at the sessions that it has."""

    def __init__(self, test, server, exporter, dead=False):
        self.test, self.server, self.exporter = test, server, exporter
        self.sessions = pg.Sessions(server) if server and not dead else None
        self.slowest, self.text = 0.0, ""

    def scrape(self):
        self.text, took = pg.scrape(self.exporter, DEADLINE)
        self.slowest = max(self.slowest, took)
        self.test.assertLess(took, DEADLINE, "the scrape's deadline")
        if self.sessions:
            self.test.assertLessEqual(self.sessions.look(), BUDGET, "sessions")
        self.test.assertLessEqual(self.connections(), BUDGET)
        return self.text

    def connections(self):
        return sum(support.value(self.text, "pg_exporter_connections", state=state)
                   for state in ("open", "half_open"))

    def value(self, name, **labels):
        return support.value(self.text, name, **labels)

    def failed(self):
        return {name for name, good in support.successes(self.text, "pg").items() if not good}

    def reasons(self):
        return {(collector, reason) for collector, reason in re.findall(
            r'sidecar_collector_errors_total{[^}]*collector="([^"]+)"[^}]*reason="([^"]+)"}',
            self.text)}

    def until(self, condition, seconds, what):
        """Scrapes twice a second until it holds; how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.scrape()
            if condition():
                return time.monotonic() - began
            time.sleep(0.5)
        self.test.fail(f"{what}: not within {seconds} s; failed: {self.failed()}; "
                       f"{self.exporter.output()[-2000:]}")

    def well(self):
        return not self.failed() and self.value("pg_up") == 1 and self.value("pg_login_up") == 1

    def row(self, fault, shown, recovery=None):
        if self.server:
            most, _ = pg.most_at_once(self.server.log())
            self.test.assertLessEqual(most, BUDGET, "sessions that the server had at once")
        print(f"| {fault} | {shown} | {self.slowest:.2f} | "
              f"{'-' if recovery is None else f'{recovery:.1f}'} |")
