"""A TCP proxy that cuts connections: of the pieces that a client sends, a share is answered with a
reset, so that the calls in them fail. PROBABILITY may be changed while it runs."""

import random
import selectors
import socket
import struct
import threading


class Proxy:
    """Listens on a free port of 127.0.0.1 until `with` ends."""

    def __init__(self, target, probability, seed=1):
        self.target = target
        self.probability = probability
        self.random = random.Random(seed)
        self.cut = self.pieces = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            self._reset(client)
            return
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            try:
                while self._forward(ready, client):
                    pass
            except OSError:
                pass
        for side in (client, server):
            self._reset(side)

    def _forward(self, ready, client):
        for key, _ in ready.select(1):
            data = key.fileobj.recv(65536)
            if not data:
                return False
            # Small pieces are window updates and pings, larger ones hold calls.
            if key.fileobj is client and len(data) > 60:
                self.pieces += 1
                if self.random.random() < self.probability:
                    self.cut += 1
                    return False
            key.data.sendall(data)
        return self.listener.fileno() >= 0

    @staticmethod
    def _reset(side):
        try:
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        side.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
