"""HTTP under abuse: whoever reaches the port cannot keep a scrape or a probe from its answer."""

import contextlib
import pathlib
import socket
import threading
import time
import unittest

import fire_test
import support

IDLE, LORIS, FLOODERS, SCRAPES = 1_000, 200, 4, 20
HEADER_BYTES = 64 << 20
CONFIG = """\
[host.collectors.hang]
enabled = false
[host.collectors.flood]
enabled = false
[host.collectors.bulk]
enabled = true
"""


def resident_kb(pid):
    return fire_test.usage(pid)[2]


class Abuse(contextlib.ExitStack):
    """Peers that misuse the port until the stack is closed."""

    def __init__(self, port):
        super().__init__()
        self.port, self.over, self.threads, self.flooded = port, threading.Event(), [], 0
        self.callback(self._end)

    def _end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(10)

    def _start(self, work):
        thread = threading.Thread(target=self._until_refused, args=(work,), daemon=True)
        thread.start()
        self.threads.append(thread)

    @staticmethod
    def _until_refused(work):
        with contextlib.suppress(OSError):
            work()

    def _connect(self):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        self.callback(peer.close)
        return peer

    def idle(self, number):
        for _ in range(number):
            with contextlib.suppress(OSError):
                self._connect()

    def loris(self, number):
        """One thread drips a byte of a header into each."""
        peers = []
        for _ in range(number):
            with contextlib.suppress(OSError):
                peers.append(self._connect())
                peers[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")

        def drip():
            while not self.over.wait(0.2):
                for peer in list(peers):
                    try:
                        peer.sendall(b"a")
                    except OSError:
                        peers.remove(peer)

        self._start(drip)

    def flood(self):
        def send():
            peer = self._connect()
            peer.sendall(b"GET / HTTP/1.1\r\n")
            line = b"X-Flood: " + b"y" * 8_000 + b"\r\n"
            for _ in range(HEADER_BYTES // len(line)):
                peer.sendall(line)
                if self.over.is_set():
                    return
                self.flooded += len(line)

        self._start(send)

    def slow_reader(self):
        def read():
            peer = self._connect()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.sendall(b"GET /metrics?collect[]=bulk HTTP/1.1\r\nHost: x\r\n\r\n")
            while not self.over.wait(0.1):
                if not peer.recv(100):
                    return

        self._start(read)


class UnderAbuse(unittest.TestCase):
    def scrape_all(self, port):
        slowest, probe = 0.0, 0.0
        for _ in range(SCRAPES):
            began = time.monotonic()
            answer = support.request(port, "/metrics?collect[]=steady", timeout=5)
            slowest = max(slowest, time.monotonic() - began)
            self.assertEqual(answer.status, 200, answer.body[:200])
            self.assertEqual(support.successes(answer.text, "fire"), {"steady": 1})
            began = time.monotonic()
            self.assertEqual(support.request(port, "/-/healthy", timeout=5).status, 200)
            probe = max(probe, time.monotonic() - began)
            time.sleep(0.1)
        return slowest, probe

    def test_scrapes_and_probes_are_answered_in_time_and_nothing_stays(self):
        with support.scratch() as folder, fire_test.fire(folder, CONFIG) as exporter:
            self.scrape_all(exporter.port)
            rest = fire_test.usage(exporter.pid)
            with Abuse(exporter.port) as abuse:
                abuse.slow_reader()
                abuse.idle(IDLE)
                abuse.loris(LORIS)
                for _ in range(FLOODERS):
                    abuse.flood()
                slowest, probe = self.scrape_all(exporter.port)
                peak = resident_kb(exporter.pid)
                flooded = abuse.flooded
                print(f"slowest scrape {slowest:.3f} s, probe {probe:.3f} s; "
                      f"RSS kB {rest[2]} to {peak}; {flooded} header bytes taken")
                self.assertLess(slowest, 1.0)
                self.assertLess(probe, 0.1)
                self.assertLessEqual(peak - rest[2], 32 << 10)
                # The peers stay; the exporter's own timeouts must rid it of them.
                support.wait_for(
                    lambda: support.value(support.request(exporter.port).text,
                                          "sidecar_http_connections") <= 2,
                    120, "the abusers are gone")
            support.wait_for(lambda: fire_test.usage(exporter.pid)[1] <= rest[1] + 1, 10,
                             "descriptors as at rest")

    def test_probes_answer_while_every_place_for_scrapes_is_taken(self):
        with support.scratch() as folder:
            gate = pathlib.Path(folder) / "gate"
            text = f'[host.collectors.hang]\ntimeout = "20s"\nuntil = "{gate}"\n'
            with fire_test.fire(folder, text, "--web.max-requests=2") as exporter:
                statuses = []
                waiting = [threading.Thread(target=lambda: statuses.append(exporter.scrape(
                    **{"X-Prometheus-Scrape-Timeout-Seconds": "10"}).status)) for _ in range(3)]
                for thread in waiting:
                    thread.start()
                support.wait_for(lambda: statuses == [503], 5, "no place is left")
                for path in ("/-/healthy", "/-/ready"):
                    began = time.monotonic()
                    self.assertEqual(support.request(exporter.port, path).status, 200)
                    self.assertLess(time.monotonic() - began, 1)
                gate.touch()
                for thread in waiting:
                    thread.join(15)
                self.assertEqual(statuses, [503, 200, 200])


if __name__ == "__main__":
    unittest.main()
