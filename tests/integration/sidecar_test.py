"""The three exporters in one process: what each watches is killed and restarted in turn, and the
other exporters' series never gap."""

import signal
import threading
import time
import unittest

import postgres_support
import support
import temporal_support

# A sample of each exporter that is there as long as what it watches is.
HOST = ("node_context_switches_total", "node_memory_MemTotal_bytes")
POSTGRES = ("pg_stat_database_xact_commit", "pg_settings_max_connections")
TEMPORAL = ("temporal_server_info", "temporal_namespaces")
SCRAPE_TIMEOUT = 5


class Scraper(threading.Thread):
    """Keeps, of each scrape, its time and the names of the samples in it."""

    def __init__(self, exporter):
        super().__init__(daemon=True)
        self.exporter, self.done, self.seen, self.faults = exporter, threading.Event(), [], []

    def run(self):
        while not self.done.wait(0.1):
            began = time.monotonic()
            try:
                answer = self.exporter.scrape(
                    **{"X-Prometheus-Scrape-Timeout-Seconds": str(SCRAPE_TIMEOUT)})
            except OSError as error:
                self.faults.append(repr(error))
                continue
            took = time.monotonic() - began
            if answer.status != 200 or took > SCRAPE_TIMEOUT:
                self.faults.append(f"{answer.status} after {took:.1f} s")
            names = {name for family in support.parse(answer.text).values()
                     for name, _ in family.samples}
            self.seen.append((began, names, support.value(answer.text, "pg_up"),
                              support.value(answer.text, "temporal_up")))

    def since(self, begun, names):
        """Scrapes since then, and those of them without all of the names."""
        scrapes = [names_seen for at, names_seen, *_ in self.seen if at >= begun]
        return len(scrapes), [set(names) - seen for seen in scrapes if not seen >= set(names)]


class OneProcess(unittest.TestCase):
    def test_each_watched_thing_is_killed_in_turn_and_the_others_never_gap(self):
        with postgres_support.Server() as postgres, temporal_support.Server() as temporal, \
                support.scratch() as folder:
            port = support.free_port()
            config = folder / "sidecar.toml"
            config.write_text(
                f'[sidecar]\nlisten = ["127.0.0.1:{port}"]\n'
                f'[postgres]\ndsn = "{postgres.dsn("postgres", "postgres")}"\n'
                f'[temporal]\naddress = "{temporal.address}"\n'
                '[temporal.collectors.cluster]\ninterval = "1s"\nmax_age = "5m"\n'
                '[temporal.collectors.namespaces]\ninterval = "1s"\nmax_age = "5m"\n')
            with support.Process([support.binary("sidecar-exporter"),
                                  f"--config.file={config}", "--log.level=error"],
                                 port) as exporter:
                scraper = Scraper(exporter)
                support.wait_for(lambda: self.complete(exporter), 60, "all three are served")
                scraper.start()
                self.outage(scraper, HOST + TEMPORAL, 2,
                             lambda: postgres.stop(signal.SIGKILL), postgres.start)
                self.outage(scraper, HOST + POSTGRES, 3, temporal.kill, temporal.start)
                scraper.done.set()
                scraper.join(20)
                self.assertEqual(scraper.faults, [])
                text = exporter.scrape().text
                self.assertEqual(text.count("\nprocess_cpu_seconds_total "), 1)

    @staticmethod
    def complete(exporter):
        text = exporter.scrape().text
        return all(f"\n{name}" in text for name in HOST + POSTGRES + TEMPORAL)

    def outage(self, scraper, others, column, kill, start):
        """`column` of what the scraper keeps is the `up` of what is killed."""
        begun = time.monotonic()
        kill()
        support.wait_for(lambda: scraper.seen and scraper.seen[-1][column] == 0, 60,
                         "the outage is seen")
        support.wait_for(lambda: scraper.since(begun, ())[0] >= 20, 60, "scrapes during it")
        start()
        support.wait_for(lambda: scraper.seen[-1][column] == 1, 90, "it is watched again")
        count, gaps = scraper.since(begun, others)
        print(f"{count} scrapes during an outage, {len(gaps)} with gaps")
        self.assertEqual(gaps, [])


if __name__ == "__main__":
    unittest.main()
