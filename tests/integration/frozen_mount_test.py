"""A file system whose server stops answering: a real FUSE mount, served by a process that the test
stops and continues. What hangs there is what a dead NFS server makes hang."""

import contextlib
import ctypes
import os
import signal
import struct
import sys
import time
import unittest

import support

BLOCKS, BLOCK_SIZE = 1000, 4096
SCRAPES = 20
GETATTR, STATFS, INIT, FORGET, BATCH_FORGET, ENOSYS = 3, 17, 26, 2, 42, 38
ATTRIBUTES = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, BLOCK_SIZE, 0)
ANSWERS = {
    # fuse_init_out of protocol 7.31; no flags.
    INIT: struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 12, 9, 65536, 1, 256, 0, *(0,) * 8),
    GETATTR: struct.pack("<Q2I", 0, 0, 0) + ATTRIBUTES,
    STATFS: struct.pack("<5Q4I24x", BLOCKS, 600, 500, 100, 90, BLOCK_SIZE, 255, BLOCK_SIZE, 0),
}


def serve(folder):
    """Mounts a file system at `folder` and answers for it until it is unmounted."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"frozen", os.fsencode(folder), b"fuse.frozen", 0, options) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError:
            return  # unmounted
        opcode, unique = struct.unpack_from("<IQ", request, 4)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        body = ANSWERS.get(opcode)
        error = 0 if body is not None else -ENOSYS
        os.write(device, struct.pack("<IiQ", 16 + len(body or b""), error, unique) + (body or b""))


@contextlib.contextmanager
def mounted(folder):
    """The process that serves the mount; both are gone afterwards."""
    child = os.fork()
    if child == 0:
        try:
            serve(folder)
        finally:
            os._exit(0)
    try:
        support.wait_for(lambda: os.path.ismount(folder), 10, "the mount")
        yield child
    finally:
        os.kill(child, signal.SIGCONT)
        # 2 is MNT_DETACH: an ordinary umount waits for who is still in there.
        ctypes.CDLL(None).umount2(os.fsencode(folder), 2)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Frozen(unittest.TestCase):
    def test_a_frozen_mount_is_reported_never_waited_for_and_served_again(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
            support.optional("a FUSE mount needs root and /dev/fuse")
        with support.scratch() as folder:
            mount = folder / "mnt"
            mount.mkdir()
            with mounted(mount) as server, \
                    support.exporter("--collector.disable-defaults", "--collector.filesystem",
                                     "--collector.loadavg") as exporter:
                self.check(exporter, server, str(mount))

    def check(self, exporter, server, mount):
        def size():
            return support.value(exporter.scrape().text, "node_filesystem_size_bytes",
                                 mountpoint=mount)

        def error():
            return support.value(exporter.scrape().text, "node_filesystem_device_error",
                                 mountpoint=mount)

        def threads():
            return len(os.listdir(f"/proc/{exporter.pid}/task"))

        self.assertEqual(size(), BLOCKS * BLOCK_SIZE)
        os.kill(server, signal.SIGSTOP)
        took = []
        for _ in range(SCRAPES):
            began = time.monotonic()
            text = exporter.scrape().text
            took.append(time.monotonic() - began)
            self.assertIsNotNone(support.value(text, "node_load1"))
            self.assertIsNotNone(support.value(text, "node_filesystem_size_bytes",
                                               mountpoint="/"), "the other mounts are served")
            if len(took) == 5:
                hung = threads()
        self.assertIsNone(size())
        self.assertEqual(error(), 1)
        self.assertLess(max(took), 3)
        self.assertLess(sum(took[1:]), 5, "only the first waits for its budget")
        # One more may serve a connection; twenty scrapes would leave twenty.
        self.assertLessEqual(threads(), hung + 2, "hung threads do not accumulate")
        os.kill(server, signal.SIGCONT)
        support.wait_for(lambda: size() == BLOCKS * BLOCK_SIZE, 30, "the thawed mount is served")
        print(f"frozen mount: first scrape {took[0]:.2f} s, then {max(took[1:]) * 1000:.1f} ms "
              f"at most; {hung} threads")


if __name__ == "__main__":
    unittest.main()
