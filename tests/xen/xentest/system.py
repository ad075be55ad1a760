# SPDX-License-Identifier: MIT
"""The booted system as a whole: start, stop, status. It is kept between the commands that use it."""

import contextlib
import fcntl
import os
import subprocess
import sys
import time

from . import client, images, qemu
from .paths import RUN, SOURCES, XEN, XenTestError

DOM0_TIMEOUT = 60               # for one xl command of ours in dom0
DOM0_WEIGHT = '4096'            # of its only processor's time; a guest has 256


@contextlib.contextmanager
def lock():
    """One start or stop at a time."""
    XEN.mkdir(parents=True, exist_ok=True)
    with open(XEN / 'lock', 'w', encoding='ascii') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(path, lines=25):
    try:
        text = path.read_text(errors='replace')
    except FileNotFoundError:
        return f'(no {path.name})\n'
    return ''.join(f'  {path.name}: {line}\n' for line in text.splitlines()[-lines:])


def logs():
    return tail(RUN / 'console.log') + tail(RUN / 'qemu.log', 5)


def fits(cpus):
    """Whether the system that runs has so many processors; None: any number."""
    return cpus is None or 'XENHOST_CPUS' in os.environ or (RUN / 'cpus').read_text() == str(cpus)


def start(cpus=None):
    """Boots unless a system runs already, with so many processors if that is said; returns whether it did."""
    with lock():
        if client.running():
            if fits(cpus):
                return False
            halt()
        images.build()
        RUN.mkdir(parents=True, exist_ok=True)
        for path in RUN.iterdir():
            path.unlink()
        env = {'XENHOST_CPUS': str(cpus or qemu.CPUS), **os.environ}
        (RUN / 'cpus').write_text(env['XENHOST_CPUS'])
        with open(RUN / 'daemon.log', 'wb') as log:
            daemon = subprocess.Popen([sys.executable, str(SOURCES / 'xenhost'), '--daemon'], env=env,
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      start_new_session=True)
        (RUN / 'daemon.pid').write_text(f'{daemon.pid}\n')
        wait_ready(daemon)
        if env['XENHOST_CPUS'] == '1':
            # Guests that wait by polling would leave it too little.
            client.check('dom0', ['xl', 'sched-credit2', '-d', '0', '-w', DOM0_WEIGHT])
        return True


def wait_ready(daemon):
    deadline = time.monotonic() + qemu.BOOT_TIMEOUT + 10
    while not client.running():
        if daemon.poll() is not None:
            raise XenTestError(f'boot failed:\n{tail(RUN / "daemon.log")}{logs()}')
        if time.monotonic() > deadline:
            daemon.terminate()
            raise XenTestError(f'no sign of dom0 within {qemu.BOOT_TIMEOUT} s:\n{logs()}')
        time.sleep(0.05)
    try:
        client.check('dom0', ['xl', 'list'], timeout=DOM0_TIMEOUT)
    except XenTestError as error:
        raise XenTestError(f'dom0 is up, but xl does not work: {error}\n{logs()}') from error


def halt():
    """As stop(), with the lock held."""
    how = 'not running'
    if client.running():
        how = client.ask({'op': 'stop'})['how']
    for name in ('daemon', 'qemu'):
        if end_process(RUN / f'{name}.pid', 10):
            how += f'; {name} had to be killed'
    return how


def stop():
    """Shuts down; says how it went. Kills by pid what does not end."""
    with lock():
        return halt()


def process_is(pid, words):
    """Whether `pid` still is the process that we started (numbers are reused)."""
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            line = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(word.encode() in line for word in words)


def end_process(pid_file, seconds):
    """Waits for a process of ours to end, then kills it; whether it had to."""
    if not pid_file.exists():
        return False
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + seconds
    while process_is(pid, (str(SOURCES), 'qemu-system')):
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            pid_file.unlink()
            return True
        time.sleep(0.05)
    pid_file.unlink()
    return False


def status():
    """Lines of text."""
    if not client.running():
        return ['not running']
    answer = client.ask({'op': 'status'})
    lines = [f'running since {time.strftime("%T", time.localtime(answer["since"]))}, '
             f'QEMU is process {answer["qemu"]}']
    lines += [f'{name}: {"ready" if ready else "no agent yet"}'
              for name, ready in sorted(answer['machines'].items())]
    return lines
