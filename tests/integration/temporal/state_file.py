"""Reads the exporter's state file, to say which runs it counted."""

import uuid


def remembered(path):
    """Run ids in the state file's two seen sets (exporters/temporal/stream.cc, Encode)."""
    bytes_ = path.read_bytes()
    at = bytes_.index(b"\x07default") + 8

    def number():
        nonlocal at
        value = shift = 0
        while True:
            value |= (bytes_[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if bytes_[at - 1] < 0x80:
                return value

    number(), number()  # when it was saved, and its size
    streams = []
    for _ in ("started", "closed"):
        for _ in range(5):
            number()
        if number():
            number()
        for _ in range(2 * number()):
            number()
        runs = {}
        for _ in range(number()):
            high, low = (int.from_bytes(bytes_[at + k:at + k + 8], "little") for k in (0, 8))
            at += 16
            runs[str(uuid.UUID(int=high << 64 | low))] = number()
        streams.append(runs)
    return streams
