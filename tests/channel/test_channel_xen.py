#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The channel on real Xen without CUDA: vgpu-frontd, xen-vgpud and a stand-in for the executor carry
sessions of channel-client, and each of them dies in the middle. After every case the counts of grants, ports,
pages, descriptors and xenstore nodes must be what they were.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'xen'))
from xentest import client, counts, elf, guest, service                     # noqa: E402
from xentest.cases import check, check_equal, check_in, main               # noqa: E402
from xentest.paths import BUILD, LIBDIR                                     # noqa: E402

BIN = BUILD / 'bin'
DOM0_PROGRAMS = ('xen-vgpud', 'vgpu', 'channel-executor')
NAME = 'channel'
CLIENT = '/opt/test/channel-client'
SOCKET = '/run/vgpu/xen-vgpud.sock'


# --- what runs where ---

def stop(target, name, number=15):
    """Ends a service of ours and waits until it has gone."""
    for pid in service.pids(target, name):
        client.output(target, ['kill', f'-{number}', str(pid)])
    deadline = time.monotonic() + 30
    while service.pids(target, name):
        check(time.monotonic() < deadline, f'{target}: {name} does not end')
        time.sleep(0.2)


def wait_until(what, condition, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, f'not within {seconds} s: {what}')
        time.sleep(0.3)


def start_backend():
    client.output('dom0', ['rm', '-f', SOCKET])
    service.spawn('dom0', ['/opt/test/xen-vgpud', '--executor=/opt/test/channel-executor',
                           '--user=root', '--log-level=call'], service.BACKEND_LOG)
    service.wait_for("xen-vgpud's socket", lambda: service.exists('dom0', SOCKET), 'dom0',
                     service.BACKEND_LOG)


def start_frontend(*options):
    service.spawn(NAME, ['/opt/test/vgpu-frontd', '--log-level', 'call', *options],
                  service.FRONTEND_LOG)


def attach(devid=0):
    client.check('dom0', ['/opt/test/vgpu', 'attach', NAME, f'gpu=soft,devid={devid}'], timeout=60)


def detach(devid=0):
    return client.output('dom0', ['/opt/test/vgpu', 'detach', NAME, str(devid)], timeout=60)


def state(side, devid=0):
    domid = guest.domain(NAME)
    path = {'backend': f'/local/domain/0/backend/vgpu/{domid}/{devid}/state',
            'frontend': f'/local/domain/{domid}/device/vgpu/{devid}/state'}[side]
    return client.output('dom0', ['xenstore-read', path])[1].strip()


def wait_connected(devid=0):
    wait_until(f'vGPU {devid} is connected',
               lambda: state('backend', devid) == state('frontend', devid) == '4')


def run(mode, user='user', env=None, timeout=400):
    status, out, err = client.output(NAME, [CLIENT, mode], user=user, timeout=timeout, env=env)
    return status, out + err


class Holder:
    """A client that holds a lane and a region until its session ends."""

    def __init__(self):
        self.log = f'/tmp/hold.{time.monotonic_ns()}'
        service.spawn(NAME, [CLIENT, 'hold'], self.log)
        wait_until('the client holds a session', lambda: 'holding' in self.text())
        self.pids = service.pids(NAME, 'channel-client')

    def text(self):
        return client.output(NAME, ['cat', self.log])[1]

    def lost(self):
        wait_until('the client hears of its loss', lambda: 'lost:' in self.text())
        return self.text()


def no_executor_left():
    wait_until('no executor is left', lambda: not service.pids('dom0', 'channel-executor'))


def works():
    status, text = run('try')
    check_equal(f'channel-client try: {text}', status, 0)
    check_in('channel-client', text, 'xen channel')


# --- the cases ---

def stage():
    """both services, a stand-in for the executor, in dom0"""
    for name in DOM0_PROGRAMS:
        guest.push('dom0', BIN / name, f'/opt/test/{name}')
    for name, file in elf.closure([BIN / name for name in DOM0_PROGRAMS]).items():
        if not service.exists('dom0', f'/{LIBDIR}/{name}'):
            guest.push('dom0', file, f'/{LIBDIR}/{name}')
    stop('dom0', 'xen-vgpud')
    start_backend()


def boot(kind):
    if guest.exists(NAME):
        guest.destroy(NAME)
    contents = guest.Contents()
    for name in ('vgpu-frontd', 'channel-client', 'gntalloc_used'):
        contents.add_program(BIN / name, f'/opt/test/{name}')
    guest.create(NAME, kind, contents=contents)
    start_frontend()
    wait_until("vgpu-frontd's socket", lambda: service.exists(NAME, '/run/vgpu/frontd.sock'))


def boot_pv():
    """a PV guest with vgpu-frontd"""
    boot('pv')


def boot_pvh():
    """a PVH guest with vgpu-frontd"""
    boot('pvh')


def no_device():
    """a program without a vGPU is told what to do"""
    status, text = run('open')
    check_equal('status', status, 3)
    check_in('message', text, 'vgpu attach')


def first_session():
    """sessions: lanes, bells, polling, regions of many sizes, by an ordinary user"""
    attach()
    wait_connected()
    before = counts.snapshot(NAME)
    works()
    no_executor_left()
    check_equal('leaks', counts.settle(before, NAME), [])


def wrong_user():
    """a user outside the group is refused"""
    status, text = run('open', user='other')
    check_equal('status', status, 3)
    check_in('message', text, 'group')


def client_killed():
    """kill -9 of the program"""
    before = counts.snapshot(NAME)
    holder = Holder()
    during = counts.snapshot(NAME)
    check_equal('mapped while it lives', during['grants of the guest'] -
                before['grants of the guest'], 33 + 600)
    for pid in holder.pids:
        client.check(NAME, ['kill', '-9', str(pid)])
    no_executor_left()
    check_equal('leaks', counts.settle(before, NAME), [])


def executor_killed():
    """kill -9 of the executor"""
    before = counts.snapshot(NAME)
    status, text = run('crash')
    check_equal(f'channel-client crash: {text}', status, 0)
    check_in('unmap notification', text, 'exec_alive fell')
    check_in('reason', text, 'signal 9')
    check_equal('leaks', counts.settle(before, NAME), [])
    works()


def exhausted():
    """pages run out: an answer, and the session goes on"""
    before = counts.snapshot(NAME)
    status, text = run('exhaust')
    check_equal(f'channel-client exhaust: {text}', status, 0)
    check_in('refusal', text, 'No space left')
    no_executor_left()
    check_equal('leaks', counts.settle(before, NAME), [])


def frontend_killed():
    """kill -9 of vgpu-frontd, and the next one brings the vGPU back"""
    before = counts.snapshot(NAME)
    holder = Holder()
    stop(NAME, 'vgpu-frontd', 9)
    check_in('program', holder.lost(), 'lost:')
    no_executor_left()
    start_frontend()
    wait_until('frontd speaks to the backend', lambda: run('open', timeout=60)[0] == 0)
    wait_connected()
    check_equal('leaks', counts.settle(before, NAME), [])
    works()


def frontend_stopped():
    """vgpu-frontd ends in order, and starts again"""
    before = counts.snapshot(NAME)
    holder = Holder()
    stop(NAME, 'vgpu-frontd')
    check_in('program', holder.lost(), 'stopped')
    wait_until('both sides are closed', lambda: state('backend') == state('frontend') == '6')
    check_equal('mapped grants', counts.grants().get(guest.domain(NAME), 0),
                before['grants of the guest'] - 1)
    start_frontend()
    wait_connected()
    check_equal('leaks', counts.settle(before, NAME), [])
    works()


def backend_killed():
    """kill -9 of xen-vgpud, and the next one finds the vGPU again; this executor dies with it"""
    before = counts.snapshot(NAME)
    holder = Holder()
    stop('dom0', 'xen-vgpud', 9)
    no_executor_left()
    start_backend()
    check_in('program', holder.lost(), 'ended')
    wait_connected()
    left = [line for line in counts.settle(before, NAME) if 'xen-vgpud' not in line]
    check_equal('leaks', left, [])
    works()


def backend_gone():
    """a program started while xen-vgpud is down is told so"""
    stop('dom0', 'xen-vgpud', 9)
    wait_until('the frontend has noticed', lambda: state('frontend') == '6')
    status, text = run('open', timeout=60)
    check_equal('status', status, 3)
    check_in('message', text, 'xen-vgpud')
    start_backend()
    wait_connected()
    check_equal('open', run('open')[0], 0)


def detached():
    """vgpu detach while a program has a session, then attach again"""
    before = counts.snapshot(NAME)
    holder = Holder()
    status, out, err = detach()
    check_equal(f'vgpu detach: {out}{err}', status, 0)
    check_in('program', holder.lost(), 'detached')
    no_executor_left()
    wait_until('the guest has dropped it', lambda: 'vgpu attach' in run('open')[1])
    domid = guest.domain(NAME)
    check_equal('mapped grants', counts.grants().get(domid, 0), before['grants of the guest'] - 1)
    attach()
    wait_connected()
    works()
    left = [line for line in counts.settle(before, NAME) if 'xenstore' not in line]
    check_equal('leaks', left, [])


def two_devices():
    """two vGPUs in one guest"""
    attach(1)
    wait_connected(1)
    for wanted in ('0', '1'):
        status, text = run('try', env={'VGPU_DEVICE': wanted})
        check_equal(f'VGPU_DEVICE={wanted}: {text}', status, 0)
    status, text = run('open', env={'VGPU_DEVICE': '7'})
    check_equal('status', status, 3)
    check_in('message', text, 'no vGPU 7')
    log = client.check('dom0', ['tail', '-n', '40', service.BACKEND_LOG])
    check_in("the backend's log", log, 'dev=1')
    status, out, err = detach(1)
    check_equal(f'vgpu detach: {out}{err}', status, 0)
    status, text = run('open', env={'VGPU_DEVICE': '1'})
    check_equal(f'detached: {text}', status, 3)
    works()


def frontend_limits():
    """the kernel's limit on granted pages is raised only as far as --max-pages says"""
    stop(NAME, 'vgpu-frontd')
    path = '/sys/module/xen_gntalloc/parameters/limit'
    client.check(NAME, ['sh', '-c', f'echo 300 >{path}'])
    start_frontend('--max-pages', '1024')
    wait_connected()
    status, text = run('exhaust')
    check_in(f'refusal ({status})', text, '0 regions of 2048 pages')
    check_equal('the limit', client.check(NAME, ['cat', path]).strip(), '300')
    status, text = run('try')
    check_in(f'regions beyond 1024 pages ({status})', text, 'FAIL region')
    check(int(client.check(NAME, ['cat', path])) <= 1324, 'the limit went beyond --max-pages')
    stop(NAME, 'vgpu-frontd')
    start_frontend()
    wait_connected()
    works()


def destroyed():
    """xl destroy while a program has a session"""
    before = counts.snapshot()
    Holder()
    domid = guest.domain(NAME)
    guest.destroy(NAME)
    no_executor_left()
    wait_until('no zombie', lambda: not any('zombie' in name for name in counts.domains()))
    wait_until('no node is left', lambda: not counts.xenstore(f'/{domid}/'))
    check(counts.ports(0) < before['ports of dom0'], 'dom0 still has the ports of the guest')


def finish():
    """everything has ended"""
    stop('dom0', 'xen-vgpud')
    # The empty folder of the kind stays, as those of vbd and vif do.
    left = [path for path in counts.xenstore() if path != '/local/domain/0/backend/vgpu']
    check_equal('xenstore', left, [])


def again(function):
    """The same case for the guest that is there now."""
    def case():
        function()
    case.__doc__ = f'{function.__doc__}, PVH'
    return case


main(stage, boot_pv, no_device, first_session, wrong_user, client_killed, executor_killed, exhausted,
     frontend_killed, frontend_stopped, backend_killed, backend_gone, detached, two_devices,
     frontend_limits, destroyed, boot_pvh, *map(again, (first_session, client_killed,
     executor_killed, frontend_killed, backend_killed, destroyed)), finish)
