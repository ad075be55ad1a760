# SPDX-License-Identifier: MIT
"""Our services: xen-vgpud in dom0, vgpu-frontd in a guest, and a guest's device."""

import time

from . import client, stage
from .paths import XenTestError

BACKEND_LOG = '/var/log/xen-vgpud.log'
FRONTEND_LOG = '/var/log/vgpu-frontd.log'
START_TIMEOUT = 60


def pids(target, name):
    """The processes with this name (the kernel's comm, 15 bytes of it), zombies left out."""
    # One process that reads each file at once: a shell reads them byte by byte, which takes long in a busy guest.
    script = 'grep -hs "^[0-9]* ($1) [^Z]" /proc/[0-9]*/stat; true'
    lines = client.check(target, ['sh', '-c', script, 'pids', name[:15]]).splitlines()
    return [int(line.split()[0]) for line in lines]


def spawn(target, argv, log):
    """A daemon: in the background, its output to a log."""
    script = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &'
    client.check(target, ['sh', '-c', script, 'spawn', log, *argv])


def wait_for(what, condition, target, log):
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    text = client.output(target, ['tail', '-n', '20', log])[1]
    raise XenTestError(f'{target}: {what} not seen within {START_TIMEOUT} s; {log} ends:\n{text}')


def exists(target, path):
    return client.output(target, ['test', '-e', path])[0] == 0


def start_backend(options=(), target='dom0', env=None):
    """xen-vgpud in dom0 or in a driver domain, unless it runs. env: variables of its environment."""
    stage.need('xen-vgpud')
    stage.need('vgpu-executor')
    if pids(target, 'xen-vgpud'):
        return
    variables = [f'{name}={value}' for name, value in (env or {}).items()]
    spawn(target, ['env', *variables, 'xen-vgpud', *options], BACKEND_LOG)
    wait_for("xen-vgpud's socket", lambda: exists(target, '/run/vgpu/xen-vgpud.sock'), target,
             BACKEND_LOG)


def start_frontend(guest, options=()):
    """vgpu-frontd in a guest, unless it runs; returns when it can be spoken to."""
    if pids(guest, 'vgpu-frontd'):
        return
    before = listened(guest)
    spawn(guest, ['vgpu-frontd', *options], FRONTEND_LOG)
    wait_for("vgpu-frontd's socket", lambda: listened(guest) > before, guest, FRONTEND_LOG)


def listened(guest):
    """How often a vgpu-frontd has opened its socket; what a killed one leaves is a file as well."""
    return int(client.output(guest, ['grep', '-c', 'op=listen path=', FRONTEND_LOG])[1].strip() or 0)


def attach(guest, spec):
    """A device, by our tool in dom0, which waits until the guest has it."""
    client.check('dom0', ['vgpu', 'attach', guest, spec], timeout=START_TIMEOUT)


def attached(guest):
    """Whether the guest has a device: dom0's xenstore says so."""
    domid = client.check('dom0', ['xl', 'domid', guest]).strip()
    path = f'/local/domain/0/backend/vgpu/{domid}'
    return bool(client.output('dom0', ['xenstore-list', path])[1].strip())
