"""TLS before a server that speaks plaintext, as a mesh or an ingress puts it there: client
certificates required, HTTP/2 by ALPN."""

import asyncio
import contextlib
import ssl
import threading

SERVER_NAME = "temporal.example"


class TlsFront:
    """Listens on a free port of 127.0.0.1 until `with` ends."""

    def __init__(self, target, directory, server="server", clients="ca"):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / f"{server}.pem", directory / f"{server}.key")
        self.context.load_verify_locations(directory / f"{clients}.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols(["h2"])
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda *_: None)  # refused handshakes are what tests want
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0,
                                                      ssl=self.context))
        self.address = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(*self.target)
            await asyncio.wait([asyncio.ensure_future(self._copy(reader, back)),
                                asyncio.ensure_future(self._copy(there, writer))],
                               return_when=asyncio.FIRST_COMPLETED)
            back.close()
        writer.close()

    @staticmethod
    async def _copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
