"""Frames of the line protocol, version 1: `@cede/1 SEQ TEXT CRC` (hv/console/frame.h, docs/console.md)."""
import re
import zlib

VERSION = 1
MARK = b"@cede/1 "
LINE_LIMIT = 64 << 10  # longer than any answer (32 KiB): what is longer is noise
COMMAND_LIMIT = 480    # the hypervisor's line, less the frame
FRAME = re.compile(rb"@cede/1 ([0-9a-f]{8}) ([ -~]+) ([0-9a-f]{8})\Z")


def checksum(data):
    return b"%08x" % zlib.crc32(data)


def encode(sequence, text):
    """-> a frame as it is sent"""
    body = MARK + b"%08x " % sequence + text.encode("ascii")
    return body + b" " + checksum(body) + b"\r"


def decode(line):
    """-> (sequence, text) of the frame in a line, whatever stands before it, or None"""
    start = line.rfind(MARK)
    while start >= 0:
        match = FRAME.match(line[start:].rstrip(b"\r"))
        if match and checksum(line[start:match.start(3) + start - 1]) == match[3]:
            return int(match[1], 16), match[2].decode()
        start = line.rfind(MARK, 0, start)
    return None


class Reader:
    """Finds frames in whatever arrives: a guest's output, line noise, half of a frame."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        """-> [(sequence, text), ...]"""
        *lines, self.rest = re.split(rb"[\r\n]", self.rest + data)
        self.rest = self.rest[-LINE_LIMIT:]
        return [frame for frame in map(decode, lines) if frame]
