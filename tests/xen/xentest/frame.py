# SPDX-License-Identifier: MIT
"""The frames between xenhost and the agents in dom0 and the guests; tests/xen/agent/frame.h explains.

The same frames serve between xenhost's daemon and its command line, with the REQUEST type added.
"""

import struct
import zlib

RUN, IN, SIGNAL, CREDIT, HELLO = 1, 2, 3, 4, 5
OUT, ERR, EXIT, TAKEN, READY, FAIL = 17, 18, 19, 20, 21, 22
REQUEST, ANSWER = 33, 34        # command line to daemon and back, JSON

MAGIC = b'\xf5\x9a'
HEAD = struct.Struct('<2sBBHHI')
PAYLOAD_MAX = 60000
WINDOW = 256 * 1024
PIECE = 4096


def encode(kind, channel=0, payload=b''):
    head = HEAD.pack(MAGIC, kind, 0, channel, len(payload), 0)[:8]
    return head + struct.pack('<I', zlib.crc32(payload, zlib.crc32(head))) + payload


def escape(data):
    """What goes to an agent: a console's driver takes the byte 0x0f for a SysRq key."""
    return data.replace(b'\xf6', b'\xf6\x02').replace(b'\x0f', b'\xf6\x01')


class Decoder:
    """Finds frames in a stream that may carry foreign bytes, which end up in `noise`."""

    def __init__(self):
        self.buffer = bytearray()
        self.noise = bytearray()

    def feed(self, data):
        """Takes bytes, yields (type, channel, payload)."""
        self.buffer += data
        while True:
            frame = self._next()
            if frame is None:
                return
            yield frame

    def take_noise(self):
        noise, self.noise = bytes(self.noise), bytearray()
        return noise

    def _skip(self, count):
        self.noise += self.buffer[:count]
        del self.buffer[:count]

    def _next(self):
        while True:
            start = self.buffer.find(MAGIC)
            if start < 0:
                self._skip(len(self.buffer) - (self.buffer[-1:] == MAGIC[:1]))
                return None
            self._skip(start)
            if len(self.buffer) < HEAD.size:
                return None
            _, kind, zero, channel, length, crc = HEAD.unpack_from(self.buffer)
            if zero or length > PAYLOAD_MAX:
                self._skip(1)
                continue
            if len(self.buffer) < HEAD.size + length:
                return None
            payload = bytes(self.buffer[HEAD.size:HEAD.size + length])
            if crc != zlib.crc32(payload, zlib.crc32(self.buffer[:8])):
                self._skip(1)
                continue
            del self.buffer[:HEAD.size + length]
            return kind, channel, payload
