# SPDX-License-Identifier: MIT
"""xenhost's daemon: the parent of QEMU, the only end of the agents' streams, and what command lines
talk to (RUN/sock). One asyncio thread. It ends when QEMU ends or when it is told to.
"""

import asyncio
import json
import os
import signal
import sys
import time

from . import frame, qemu
from .link import JobFailed, Link
from .paths import RUN, XenTestError

DMESG = ['sh', '-c', 'exec cat /dev/kmsg']


class Machine:
    """A link with its log: dom0 or one guest."""

    def __init__(self, name, write, drain):
        self.log = open(RUN / f'{name}.log', 'ab', buffering=0)
        self.link = Link(name, write, drain, self.log.write)
        self.tasks = []

    def start_kernel_log(self):
        self.tasks.append(asyncio.ensure_future(self._kernel_log()))

    async def _kernel_log(self):
        job = self.link.run(DMESG)
        try:
            while not job.done or not job.events.empty():
                kind, value = await job.next()
                if kind in (frame.OUT, frame.ERR):
                    self.log.write(value)
        except JobFailed:
            pass

    def close(self, why):
        self.link.close(why)
        for task in self.tasks:
            task.cancel()
        self.log.close()


def note(text):
    """A line in daemon.log."""
    print(f'{time.strftime("%T")} {text}', flush=True)


class Daemon:
    """The running system. machines: 'dom0' and the guests by name."""

    def __init__(self):
        self.machines = {}
        self.qemu = None
        self.ended = asyncio.Event()
        self.started = time.time()

    def machine(self, name):
        machine = self.machines.get(name)
        if not machine:
            raise JobFailed(f'there is no running guest {name!r}' if name != 'dom0'
                            else 'dom0 is not up')
        return machine

    async def boot(self):
        self.qemu = await qemu.start()
        reader, writer = await qemu.connect_agent(self.qemu)
        dom0 = self.machines['dom0'] = Machine('dom0', writer.write, writer.drain)
        dom0.tasks.append(asyncio.ensure_future(self._read_dom0(reader)))
        asyncio.ensure_future(self._wait_qemu())
        await dom0.link.wait_ready()
        dom0.start_kernel_log()

    async def _read_dom0(self, reader):
        while data := await reader.read(65536):
            self.machines['dom0'].link.received(data)

    async def _wait_qemu(self):
        await self.qemu.wait()
        for machine in self.machines.values():
            machine.close('QEMU has ended')
        self.ended.set()

    async def link_guest(self, name, console):
        """Talks to a guest's agent through its console, whose pty in dom0 is `console`."""
        relay = self.machine('dom0').link.run(['xentest-agent', '--relay', console])
        queue = asyncio.Queue()

        async def feed():
            while True:
                await relay.feed(await queue.get())

        async def drain():
            while queue.qsize() > 16 and not relay.done:
                await asyncio.sleep(0.01)

        (RUN / f'guest-{name}.log').unlink(missing_ok=True)
        guest = Machine(f'guest-{name}', queue.put_nowait, drain)
        old = self.machines.pop(name, None)
        if old:
            old.close('another guest has taken this name')
        self.machines[name] = guest
        note(f'{name}: linking to {console}')
        guest.tasks.append(asyncio.ensure_future(feed()))
        asyncio.ensure_future(self._read_guest(name, guest, relay))
        await guest.link.wait_ready()
        note(f'{name}: ready')
        guest.start_kernel_log()

    async def _read_guest(self, name, guest, relay):
        why = f'guest {name} has ended'
        try:
            while True:
                kind, value = await relay.next()
                if kind == frame.OUT:
                    guest.link.received(value)
                elif kind == frame.ERR:
                    guest.log.write(value)
                else:
                    break
        except JobFailed as error:
            why = f'{why}: {error}'
        if self.machines.get(name) is guest:
            del self.machines[name]
        note(f'{name}: {why}')
        guest.close(why)

    async def serve(self, reader, writer):
        client = Client(self, reader, writer)
        try:
            await client.serve()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            client.dispose()
            writer.close()

    async def stop(self):
        """Asks dom0 to power off; QEMU is killed if it does not."""
        try:
            self.machine('dom0').link.run(['poweroff', '-f'])
            await asyncio.wait_for(self.qemu.wait(), 30)
            return 'powered off'
        except (JobFailed, asyncio.TimeoutError) as error:
            self.qemu.kill()
            await self.qemu.wait()
            return f'killed, since dom0 did not power off ({error or "30 s passed"})'


class Client:
    """One connection of a command line: one request, then that request's frames."""

    def __init__(self, daemon, reader, writer):
        self.daemon, self.reader, self.writer = daemon, reader, writer
        self.decoder = frame.Decoder()
        self.job = None
        self.tasks = []

    async def _frames(self):
        while data := await self.reader.read(65536):
            for item in self.decoder.feed(data):
                yield item

    async def serve(self):
        frames = self._frames()
        async for kind, _, payload in frames:
            if kind != frame.REQUEST:
                return
            try:
                await self._request(json.loads(payload), frames)
            except JobFailed as error:
                self.writer.write(frame.encode(frame.FAIL, 0, str(error).encode()))
            await self.writer.drain()
            return

    async def _request(self, request, frames):
        operation = request['op']
        if operation == 'run':
            await self._run(request, frames)
        elif operation == 'status':
            self._answer({'machines': {name: machine.link.ready.is_set()
                                       for name, machine in self.daemon.machines.items()},
                          'qemu': self.daemon.qemu.pid, 'since': self.daemon.started})
        elif operation == 'link-guest':
            work = self.daemon.link_guest(request['name'], request['console'])
            try:
                await asyncio.wait_for(work, request['timeout'])
            except asyncio.TimeoutError as error:
                raise JobFailed(f"no agent answered in guest {request['name']} within "
                                f"{request['timeout']} s") from error
            self._answer({})
        elif operation == 'stop':
            self._answer({'how': await self.daemon.stop()})

    def _answer(self, value):
        self.writer.write(frame.encode(frame.ANSWER, 0, json.dumps(value).encode()))

    async def _run(self, request, frames):
        machine = self.daemon.machine(request['target'])
        self.job = machine.link.run(request['argv'], request['user'], request['cwd'],
                                    request['env'])
        self.tasks.append(asyncio.ensure_future(self._input(frames)))
        kind = None
        while kind != frame.EXIT:
            kind, value = await self.job.next()
            payload = bytes(value) if kind == frame.EXIT else value
            self.writer.write(frame.encode(kind, 0, payload))
            await self.writer.drain()

    async def _input(self, frames):
        try:
            async for kind, _, payload in frames:
                if kind == frame.IN:
                    await self.job.feed(payload)
                elif kind == frame.SIGNAL:
                    self.job.signal(payload[0])
        except ConnectionError:
            pass
        self.job.signal(signal.SIGKILL)     # the command line has gone

    def dispose(self):
        for task in self.tasks:
            task.cancel()


async def main():
    os.chdir(RUN)
    daemon = Daemon()
    server = None
    try:
        await asyncio.wait_for(daemon.boot(), qemu.BOOT_TIMEOUT)
        server = await asyncio.start_unix_server(daemon.serve, 'sock')
        note('dom0: ready')
        await daemon.ended.wait()
        await asyncio.sleep(0.2)            # for the answer to who asked for the end
    except asyncio.TimeoutError as error:
        raise XenTestError(f'dom0 did not come up within {qemu.BOOT_TIMEOUT} s') from error
    except JobFailed as error:
        raise XenTestError(f'dom0 did not come up: {error}') from error
    finally:
        if server:
            server.close()
            (RUN / 'sock').unlink(missing_ok=True)
        if daemon.qemu and daemon.qemu.returncode is None:
            daemon.qemu.kill()


def run():
    try:
        asyncio.run(main())
    except (XenTestError, OSError) as error:
        print(f'failed: {error}', flush=True)
        sys.exit(1)
