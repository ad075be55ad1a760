# SPDX-License-Identifier: MIT
"""One agent's stream and the jobs on it. Runs in xenhost's daemon (asyncio, one thread)."""

import asyncio
import struct

from . import frame


class JobFailed(Exception):
    """The job never ran, or its machine has gone."""


class Job:
    """One command under way. Its events: (OUT or ERR, bytes), then one (EXIT, (signalled, number))."""

    def __init__(self, link, channel):
        self.link, self.channel = link, channel
        self.events = asyncio.Queue()
        self.window = frame.WINDOW      # input that the agent still has room for
        self.room = asyncio.Event()
        self.done = False

    async def next(self):
        """The next event; acknowledges output, so a slow reader slows the job, not the others."""
        kind, value = await self.events.get()
        if kind == frame.FAIL:
            raise JobFailed(value)
        if kind in (frame.OUT, frame.ERR) and not self.done:
            self.link.send(frame.CREDIT, self.channel, struct.pack('<I', len(value)))
        return kind, value

    async def feed(self, data):
        """Sends input; empty means its end."""
        if not data:
            self.link.send(frame.IN, self.channel)
        for start in range(0, len(data), frame.PIECE):
            piece = data[start:start + frame.PIECE]
            while self.window < len(piece) and not self.done:
                self.room.clear()
                await self.room.wait()
            if self.done:
                return
            self.window -= len(piece)
            self.link.send(frame.IN, self.channel, piece)
            await self.link.drain()

    def signal(self, number):
        if not self.done:
            self.link.send(frame.SIGNAL, self.channel, bytes([number]))

    def handle(self, kind, payload):
        if kind == frame.TAKEN and len(payload) == 4:
            self.window += struct.unpack('<I', payload)[0]
            self.room.set()
        elif kind in (frame.OUT, frame.ERR):
            self.events.put_nowait((kind, payload))
        elif kind == frame.EXIT and len(payload) == 2:
            self.finish(kind, (bool(payload[0]), payload[1]))
        elif kind == frame.FAIL:
            self.finish(kind, payload.decode(errors='replace'))

    def finish(self, kind, value):
        if not self.done:
            self.done = True
            self.room.set()
            self.events.put_nowait((kind, value))


class Link:
    """The stream. `write(bytes)` and `drain()` send; whoever reads the stream calls received()."""

    def __init__(self, name, write, drain, log):
        self.name, self.write, self.drain, self.log = name, write, drain, log
        self.decoder = frame.Decoder()
        self.jobs = {}
        self.last_channel = 0
        self.ready = asyncio.Event()
        self.gone = None

    def send(self, kind, channel=0, payload=b''):
        if not self.gone:
            self.write(frame.escape(frame.encode(kind, channel, payload)))

    def received(self, data):
        for kind, channel, payload in self.decoder.feed(data):
            if kind == frame.READY:
                self.ready.set()
                continue
            job = self.jobs.get(channel)
            if job:
                job.handle(kind, payload)
                if job.done:
                    del self.jobs[channel]
        noise = self.decoder.take_noise()
        if noise:
            self.log(noise)

    async def wait_ready(self):
        """The agent speaks first; asking too serves an agent whose first word was lost."""
        while not self.ready.is_set():
            if self.gone:
                raise JobFailed(self.gone)
            try:
                await asyncio.wait_for(self.ready.wait(), 5)
            except asyncio.TimeoutError:
                self.send(frame.HELLO)

    def run(self, argv, user='root', cwd='/', env=None):
        if self.gone:
            raise JobFailed(self.gone)
        words = [user, cwd, *(f'{name}={value}' for name, value in (env or {}).items()), '', *argv]
        payload = b''.join(word.encode() + b'\0' for word in words)
        if len(payload) > frame.PAYLOAD_MAX:
            raise JobFailed('the command line is too long')
        while True:
            self.last_channel = self.last_channel % 65535 + 1
            if self.last_channel not in self.jobs:
                break
        job = self.jobs[self.last_channel] = Job(self, self.last_channel)
        self.send(frame.RUN, job.channel, payload)
        return job

    def close(self, why):
        """The machine at the other end has gone: every job ends."""
        self.gone = self.gone or why
        for job in list(self.jobs.values()):
            job.finish(frame.FAIL, why)
        self.jobs.clear()
