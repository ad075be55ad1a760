# SPDX-License-Identifier: MIT
"""Guests with a vGPU for test scripts: all test programs in /opt/programs, services running."""

import signal
import time

from . import client, counts, guest, service, stage
from .cases import Skip, check
from .paths import BUILD, SOURCES, XenTestError

PROGRAMS = BUILD / 'programs'
READY = 120


def program_names():
    """All programs that a complete build has, and those of them that are not built here."""
    listed = (PROGRAMS / 'list').read_text().split()
    return listed, [name for name in listed if not (PROGRAMS / name).exists()]


def contents(programs):
    result = guest.Contents()
    guest.add_frontend(result)
    result.add_program(BUILD / 'bin' / 'gntalloc_used', '/opt/test/gntalloc_used')
    for name in programs:
        result.add_program(PROGRAMS / name, f'/opt/programs/{name}', (BUILD / 'lib',),
                           ('libcuda.so.1',))
    return result


class Guest:
    """A guest of a test script. Programs run as `user`, who is in the group that may use the device."""

    def __init__(self, name, kind='pv', programs=('saxpy', 'steady'), memory=512, vcpus=1):
        self.name = name
        self.programs = [program for program in programs if (PROGRAMS / program).exists()]
        self.kind, self.memory, self.vcpus = kind, memory, vcpus
        self.domid = None

    def start(self):
        """Boots it, with vgpu-frontd running; no device yet."""
        if guest.exists(self.name):
            guest.destroy(self.name)
        self.domid = guest.create(self.name, self.kind, self.memory, self.vcpus,
                                  contents(self.programs))
        self.start_frontend()
        return self

    def start_with(self, lines, keep=False, files=None):
        """Boots it with more in its configuration, vgpu-frontd running from the beginning. files: more in
        its file system, {path: file here}."""
        what = contents(self.programs)
        for path, source in (files or {}).items():
            what.add_program(source, path)
        what.add_file(SOURCES / 'rc-frontd', 'etc/rc')
        self.domid = guest.create(self.name, self.kind, self.memory, self.vcpus, what, lines,
                                  keep=keep)
        return self

    def start_frontend(self):
        service.start_frontend(self.name)

    def attach(self, spec='gpu=soft'):
        service.attach(self.name, spec)

    def detach(self, devid=0):
        client.check('dom0', ['vgpu', 'detach', self.name, str(devid)], timeout=service.START_TIMEOUT)

    def connected(self):
        """Whether both sides of its first device are."""
        paths = (f'/local/domain/0/backend/vgpu/{self.domid}/0/state',
                 f'/local/domain/{self.domid}/device/vgpu/0/state')
        return all(client.output('dom0', ['xenstore-read', path])[1].strip() == '4'
                   for path in paths)

    def destroy(self):
        if guest.exists(self.name):
            guest.destroy(self.name)

    def run(self, program, *args, user='user', timeout=600, env=None):
        """(status, what it said)"""
        status, out, err = client.output(self.name, [f'/opt/programs/{program}', *args], user,
                                         timeout, env=env)
        return status, out + err

    def must_run(self, program='steady', *args):
        """A program that must pass: the device works. Copies only, unless another is named."""
        args = args or ('2',) * (program == 'steady')
        status, text = self.run(program, *args)
        check(status == 0 and 'PASS' in text, f'{program} gave {status}:\n{text}\n{logs(self)}')

    def background(self, program='steady', *args, user='user', env=None):
        """A program under way, already past its first round."""
        job = client.Background(self.name, [f'/opt/programs/{program}', *args], user, env=env, timeout=1800)
        try:
            job.wait_for('round 2\n', READY * 2)
        except XenTestError as error:
            raise XenTestError(f'{error}\n{logs(self)}') from error
        return job

    def send(self, name, number):
        """Sends a signal that does not end them to all processes of that name in the guest."""
        pids = service.pids(self.name, name)
        check(pids, f'{self.name}: no {name}')
        client.check(self.name, ['kill', f'-{int(number)}', *(str(pid) for pid in pids)])

    def kill(self, name, number=signal.SIGKILL):
        """Kills all processes of that name in the guest."""
        kill(self.name, name, number)


def kill(target, name, number=signal.SIGKILL):
    pids = service.pids(target, name)
    check(pids, f'{target}: no {name} to kill')
    client.check(target, ['kill', f'-{int(number)}', *(str(pid) for pid in pids)])
    until(f'{name} has died', lambda: not set(pids) & set(service.pids(target, name)))


def until(what, condition, seconds=READY):
    """Waits for something that must come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise XenTestError(f'not within {seconds} s: {what}')
        time.sleep(0.2)


def no_executor():
    """Waits until the last program's executor has ended: counts taken before would have it in them."""
    until('no executor is left', lambda: not service.pids('dom0', 'vgpu-executor'))


def gone(box):
    """Nothing of a domain is left: no mapping keeps it a zombie, no node stands."""
    until('it is no zombie', lambda: box.domid not in counts.domains().values())
    until('its nodes have gone', lambda: not [
        path for path in counts.xenstore() if f'/{box.domid}/' in path])
    check(box.domid not in counts.grants(), 'Xen still has its grant table')


def logs(box=None, lines=15):
    """The ends of our services' logs, for a failure's message."""
    text = ''
    places = [('dom0', service.BACKEND_LOG)]
    if box and guest.exists(box.name):
        places.append((box.name, service.FRONTEND_LOG))
    for target, path in places:
        end = client.output(target, ['tail', '-n', str(lines), path])[1]
        text += ''.join(f'  {target} {path}: {line}\n' for line in end.splitlines())
    return text


def need_software():
    """Everything that a vGPU needs, staged; a case that cannot have it fails with what is missing."""
    stage.sync()
    service.start_backend()


def need_program(name):
    if not (PROGRAMS / name).exists():
        raise Skip(f'{name} is not built: no CUDA toolkit')


def no_leak(before, box=None, what='leaks'):
    """The counts of counts.py are as before."""
    lines = counts.settle(before, box.name if box else None)
    check(not lines, f'{what}: ' + '; '.join(lines))
