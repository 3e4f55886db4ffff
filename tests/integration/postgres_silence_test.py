"""Servers, tunnels and addresses that accept a login and say nothing: a scrape waits a second, nobody
is locked out, and no session of ours comes of what was given up on."""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

import postgres_support as pg
import support
from postgres_watcher import BUDGET, LOGGED, OFTEN, QUICK, Watcher, processes, watched
from support import optional


class Tunnel(contextlib.ExitStack):
    """A port behind which the server is, until it freezes: then what is open stays so and is silent
    for ever, whoever leaves, as does what comes until it thaws. With `idle` it ends what has been
    silent for so many seconds."""

    def __init__(self, server, idle=None):
        super().__init__()
        self.server, self.frozen, self.links, self.idle = server, False, [], idle
        self.front = self.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self.front.getsockname()[1]
        self.callback(self.front.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self):
        self.frozen = True
        for link in self.links:
            link.clear()

    def thaw(self):
        self.frozen = False

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.enter_context(self.front.accept()[0])
                if self.frozen:
                    continue
                back = self.enter_context(socket.create_connection(("127.0.0.1", self.server.port)))
                alive = threading.Event()
                alive.set()
                self.links.append(alive)
                for ends in ((client, back), (back, client)):
                    ends[0].settimeout(self.idle)
                    threading.Thread(target=self._pump, args=(*ends, alive), daemon=True).start()

    @staticmethod
    def _pump(source, sink, alive):
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if alive.is_set():
                    sink.sendall(chunk)
        with contextlib.suppress(OSError):
            if alive.is_set():
                sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def stopped(server):
    """Its postmaster, without any backend that could still serve."""
    os.kill(server.popen.pid, signal.SIGSTOP)
    try:
        for pid in server.backends():
            os.kill(pid, signal.SIGTERM)
        yield
    finally:
        os.kill(server.popen.pid, signal.SIGCONT)


def settled(server):
    """The server's log once nothing has been added for a second."""
    log = server.log()
    while (later := (time.sleep(1), server.log())[1]) != log:
        log = later
    return log


class StoppedPostmaster(unittest.TestCase):
    """Its listening socket accepts, and what was said there waits until it goes on."""

    def test_is_up_soon_after_it_goes_on(self):
        with pg.Server(settings=LOGGED) as server:
            server.monitor_role(BUDGET)
            os.kill(server.popen.pid, signal.SIGSTOP)
            try:
                # With the intervals as shipped, and nothing that would log in before the probe.
                with pg.exporter(server, "--collector.disable-defaults") as exporter:
                    watcher = Watcher(self, server, exporter, dead=True)
                    time.sleep(4)
                    began = time.monotonic()
                    while time.monotonic() - began < 6:
                        watcher.scrape()
                        self.assertEqual(watcher.value("pg_up"), 0)
                        time.sleep(0.5)
                    os.kill(server.popen.pid, signal.SIGCONT)
                    took = watcher.until(lambda: watcher.value("pg_up") == 1 and
                                         watcher.value("pg_login_up") == 1, 10, "it is up")
                    print(f"up {took:.1f} s after SIGCONT")
            finally:
                os.kill(server.popen.pid, signal.SIGCONT)

    def test_finds_no_session_of_ours_in_its_queue_when_it_goes_on(self):
        self.stopped_for(14)  # three logins of each are given up on

    def test_that_was_stopped_for_minutes_finds_none_either(self):
        if os.environ.get("MATRIX") != "1":
            optional("a long form: it is in tests/run --matrix (MATRIX=1)")
        self.stopped_for(400)

    def test_makes_no_session_of_an_exporter_that_has_left(self):
        with pg.Server(settings=LOGGED, tls=True) as server, contextlib.ExitStack() as exporters:
            server.monitor_role()
            watchers = exporters.enter_context(self.three_ways_in(server))
            with stopped(server):
                self.scrape(watchers, 4)
                exporters.close()
                before = server.log()
            after = settled(server)
            for name, most in (("tls", 0), ("unix", 0), ("plain", 1)):
                made = pg.logins(after, name) - pg.logins(before, name)
                self.assertLessEqual(made, most, name)

    def test_behind_a_proxy_that_ends_what_is_silent(self):
        """Each login that the proxy ends is over for us, and waits in the queue for the server."""
        slow = [*LOGGED, "post_auth_delay = 2"]
        with (pg.Server(settings=slow, tls=True) as server, Tunnel(server, idle=1) as proxy,
              support.scratch() as folder):
            server.monitor_role(BUDGET)
            dsn = server.dsn(port=proxy.port, sslmode="disable")
            with pg.exporter(server, config=f'[postgres]\ndsn = "{dsn}"\n{QUICK}{OFTEN}',
                             folder=folder) as exporter:
                watcher = Watcher(self, server, exporter, dead=True)
                watcher.until(lambda: watcher.value("pg_exporter_logins_total", result="failed") > 0,
                              20, "a login took longer than the proxy waits")
                with stopped(server):
                    began = time.monotonic()
                    while time.monotonic() - began < 15:
                        watcher.scrape()
                        time.sleep(0.5)
            most, _ = pg.most_at_once(settled(server))
            self.assertLessEqual(most, BUDGET)
            print(f"{most} sessions at most")

    @contextlib.contextmanager
    def three_ways_in(self, server):
        """Watchers of exporters, by how they log in to a server that has TLS."""
        with contextlib.ExitStack() as held:
            watchers = {}
            for name, words in (("tls", {}), ("plain", {"sslmode": "disable"}),
                                ("unix", {"host": server.folder})):
                config = (f'[postgres]\ndsn = "{server.dsn(**words)}"\napplication_name = "{name}"\n'
                          f'connect_timeout = "1s"\n{QUICK}{OFTEN}')
                exporter = held.enter_context(pg.exporter(
                    server, config=config, folder=held.enter_context(support.scratch())))
                watchers[name] = Watcher(self, server, exporter, dead=True)
                watchers[name].until(watchers[name].well, 20, "it works before the fault")
            refused = server.log().count("could not accept SSL connection")
            self.assertLessEqual(refused, 1, "that it wants TLS is learned once")
            yield watchers

    def stopped_for(self, seconds):
        with pg.Server(settings=LOGGED, tls=True) as server:
            server.monitor_role()
            with self.three_ways_in(server) as watchers:
                with stopped(server):
                    self.scrape(watchers, seconds)
                for name, watcher in watchers.items():
                    took = watcher.until(watcher.well, 30, f"{name} works again")
                    most, _ = pg.most_at_once(server.log(), name)
                    self.assertLessEqual(most, BUDGET, name)
                    print(f"{name}: up {took:.1f} s after SIGCONT, {most} sessions at most")

    def scrape(self, watchers, seconds):
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for name, watcher in watchers.items():
                watcher.scrape()
                if time.monotonic() - began < 5:
                    continue  # the sessions that have ended
                half_open = watcher.value("pg_exporter_connections", state="half_open")
                # In plain text, a server that has TLS is first told who we are.
                self.assertLessEqual(half_open, 1 if name == "plain" else 0, name)
            time.sleep(1)


class FrozenBackends(unittest.TestCase):
    """As by a disk that never answers: no signal ends them, and each that came anew would freeze."""

    def test_keep_every_place_until_they_go_on(self):
        self.frozen_for(6)

    def test_keep_every_place_for_more_than_ten_minutes(self):
        if os.environ.get("MATRIX") != "1":
            optional("a long form: it is in tests/run --matrix (MATRIX=1)")
        self.frozen_for(700)

    def frozen_for(self, seconds):
        with watched(self, QUICK) as watcher:
            watcher.begins()
            with self.all_frozen(watcher) as frozen:
                began = time.monotonic()
                while time.monotonic() - began < seconds:
                    watcher.scrape()
                    self.assertEqual(watcher.value("pg_up"), 0)
                    self.assertEqual(processes(watcher.server), frozen)
                    time.sleep(0.5)
                if seconds > 70:
                    self.assertIsNone(watcher.value("pg_login_up"), "nobody could try")
                self.assertIn("all 4 connections are in use, some by backends that run on",
                              watcher.exporter.output())
            took = watcher.until(watcher.well, 40, "it works again")
            watcher.row("SIGSTOP of every backend that comes", ("timeout", "unavailable"), 2, took,
                        9, perhaps=("limit",))

    @staticmethod
    @contextlib.contextmanager
    def all_frozen(watcher):
        """Every session of ours as it comes, until there is a place for none."""
        frozen = set()

        def freeze():
            for pid in processes(watcher.server) - frozen:
                os.kill(pid, signal.SIGSTOP)
                frozen.add(pid)
            return len(frozen) == BUDGET and watcher.value("pg_up") == 0

        try:
            watcher.until(freeze, 40, "all places are taken")
            yield frozen
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)


class DeadSockets(unittest.TestCase):
    def test_of_a_tunnel_lock_nobody_out(self):
        for sslmode, tls in (("prefer", False), ("disable", False), ("disable", True)):
            with (self.subTest(sslmode=sslmode, tls=tls),
                  pg.Server(settings=LOGGED, tls=tls) as server,
                  Tunnel(server) as tunnel, support.scratch() as folder):
                server.monitor_role(BUDGET)
                dsn = server.dsn(port=tunnel.port, sslmode=sslmode)
                with pg.exporter(server, config=f'[postgres]\ndsn = "{dsn}"\n{QUICK}{OFTEN}',
                                 folder=folder) as exporter:
                    watcher = Watcher(self, server, exporter)
                    watcher.until(watcher.well, 20, "it works before the fault")
                    watcher.begins()
                    tunnel.freeze()
                    watcher.until(lambda: watcher.value("pg_up") == 0, 10, "it is down")
                    watcher.until(lambda: watcher.value("pg_login_up") == 0, 10, "login is down")
                    tunnel.thaw()
                    took = watcher.until(watcher.well, 40, "it works again")
                    # There who we are was said to a server that wanted TLS of who asks.
                    left = 1 if tls else 0
                    watcher.until(
                        lambda: watcher.value("pg_exporter_connections", state="half_open") <= left,
                        10, "what was left behind is ended")
                    watcher.row(f"tunnel that keeps dead sockets, sslmode={sslmode} {tls=}",
                                ("timeout", "unavailable"), 2, took, 12, perhaps=("limit",))


class SilentPeer(unittest.TestCase):
    def test_in_the_servers_place_costs_a_scrape_a_second_while_a_login_is_young(self):
        # The probe's last login is fresh: it is the scrapes' own session that has no answer.
        with watched(self, 'login_probe_interval = "1h"\nrefresh_interval = "1h"\n') as watcher:
            watcher.server.stop(signal.SIGKILL)
            watcher.sessions = None
            with socket.create_server(("127.0.0.1", watcher.server.port)):
                began, waits = time.monotonic(), []
                while time.monotonic() - began < 12:
                    watcher.scrape()
                    self.assertEqual(watcher.value("pg_up"), 0)
                    waits += [watcher.took] if watcher.took > 0.5 else []
                    time.sleep(0.3)
            print(f"scrapes waited {', '.join(f'{wait:.2f}' for wait in waits)} s")
            self.assertLess(max(waits), 1.5)
            self.assertLess(len(waits), 7)

    def the_second_address_is_up(self, server, port, within):
        server.sql("CREATE DATABASE other")
        dsn = f"host=127.0.0.1,127.0.0.1 port={port},{server.port} user=monitor dbname=postgres"
        with pg.exporter(server, dsn=dsn) as exporter:
            watcher = Watcher(self, server, exporter)
            took = watcher.until(lambda: watcher.value("pg_up") == 1, within, "it is up")
            watcher.until(watcher.well, 15, "every lane has got in")
            self.assertLess(watcher.value("pg_login_duration_seconds"), 1, "and goes there first")
            print(f"the second address after {took:.1f} s")

    def test_that_does_not_even_accept_is_followed_by_the_next_address(self):
        with pg.Server(settings=LOGGED) as server, contextlib.ExitStack() as held:
            server.monitor_role(BUDGET)
            silent = held.enter_context(socket.socket())
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            port = silent.getsockname()[1]
            for _ in range(4):  # its queue is full, so that it drops who comes next
                client = held.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            time.sleep(0.1)
            self.the_second_address_is_up(server, port, 12)

    def test_that_accepts_is_followed_by_the_next_address(self):
        with (pg.Server(settings=LOGGED) as server,
              socket.create_server(("127.0.0.1", 0)) as silent):
            server.monitor_role(BUDGET)
            self.the_second_address_is_up(server, silent.getsockname()[1], 12)


if __name__ == "__main__":
    unittest.main()
