#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each party dies in the middle of its work, on real Xen: what the others see, that nothing is left
behind, and that the next program runs without a reboot.
"""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, guest, service         # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402

box = fixture.Guest('faults')
other = fixture.Guest('faults-other')
base = {}


def start():
    """a guest with a vGPU works"""
    fixture.need_software()
    box.start()
    box.attach()
    box.must_run('saxpy')
    fixture.no_executor()
    base.update(counts.snapshot(box.name))


def program_killed():
    """kill -9 of a program: its executor ends, others go on, nothing is left"""
    first, second = box.background(), box.background()
    executors = service.pids('dom0', 'vgpu-executor')
    check_equal('executors', len(executors), 2)
    victim = min(service.pids(box.name, 'steady'))
    client.check(box.name, ['kill', '-9', str(victim)])
    fixture.until('one executor has ended',
                  lambda: len(service.pids('dom0', 'vgpu-executor')) == 1)
    check_equal('programs that died', [job.ended for job in (first, second)].count(True), 1)
    survivor = second if first.ended else first
    said = survivor.text
    fixture.until('the other program goes on', lambda: len(survivor.text) > len(said) + 20)
    check('ended' not in survivor.text, f'the other program: {survivor.text}')
    box.kill('steady')
    survivor.wait()
    box.must_run()
    fixture.no_leak(base, box)


def executor_killed():
    """kill -9 of an executor: its program gets an error, the next one works"""
    job = box.background()
    fixture.kill('dom0', 'vgpu-executor')
    check_equal('status of the program', job.wait(120), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    print('    ' + job.text.splitlines()[-1])
    box.must_run()
    fixture.no_leak(base, box)


def frontd_killed():
    """kill -9 of vgpu-frontd: its programs get an error; after its restart the next one works"""
    job = box.background()
    box.kill('vgpu-frontd')
    check_equal('status of the program', job.wait(120), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    print('    ' + job.text.splitlines()[-1])
    fixture.until('the executor has ended', lambda: not service.pids('dom0', 'vgpu-executor'))
    status, text = box.run('steady', '2')
    check(status != 0, 'a program ran without vgpu-frontd')
    print(''.join(f'    without vgpu-frontd: {line}\n' for line in text.splitlines()[-3:]), end='')
    box.start_frontend()
    fixture.until('the device is connected again', connected)
    box.must_run()
    fixture.no_leak(base, box)


def connected(name='faults'):
    domid = client.check('dom0', ['xl', 'domid', name]).strip()
    paths = (f'/local/domain/0/backend/vgpu/{domid}/0/state', f'/local/domain/{domid}/device/vgpu/0/state')
    return all(client.output('dom0', ['xenstore-read', path])[1].strip() == '4' for path in paths)


def vgpud_killed():
    """kill -9 of xen-vgpud: after its restart the next program works"""
    job = box.background()
    fixture.kill('dom0', 'xen-vgpud')
    said = job.text
    fixture.until('the program has heard of it, or goes on', lambda: job.ended or job.text != said)
    print(f'    the running program: {job.text.splitlines()[-1]}')
    if not job.ended:
        client.output(box.name, ['killall', '-9', 'steady'])
    job.wait(120)
    fixture.until('the executor has ended', lambda: not service.pids('dom0', 'vgpu-executor'))
    service.start_backend()
    fixture.until('the device is connected again', connected)
    box.must_run()
    fixture.no_leak(base, box)


def destroyed():
    """xl destroy in the middle of a copy: no zombie, no node, no process; another guest goes on"""
    other.start()
    other.attach()
    nodes = set(counts.xenstore())
    survivor, victim = other.background(), box.background()
    guest.destroy(box.name)
    fixture.until('its executor has ended',
                  lambda: len(service.pids('dom0', 'vgpu-executor')) == 1)
    gone = f'/{box.domid}/'
    fixture.until('its nodes have gone',
                  lambda: not [path for path in counts.xenstore() if gone in path])
    fixture.until('it is no zombie', lambda: sorted(counts.domains()) == ['Domain-0', other.name])
    check(box.domid not in counts.grants(), 'Xen still has its grant table')
    said = survivor.text
    fixture.until('the other guest goes on', lambda: len(survivor.text) > len(said) + 20)
    other.kill('steady')
    survivor.wait()
    check(victim.thread.join(10) is None and victim.ended, 'its program still has a stream')
    check({path for path in nodes if gone not in path} >= {
        path for path in counts.xenstore() if gone not in path}, 'new nodes in xenstore')


def next_guest():
    """after that, a new guest works, without a reboot"""
    box.start()
    box.attach()
    box.must_run()
    box.destroy()
    other.destroy()
    fixture.until('only dom0 is left', lambda: sorted(counts.domains()) == ['Domain-0'])
    check_equal('executors', service.pids('dom0', 'vgpu-executor'), [])
    check_equal('grants of dom0', counts.grants().get(0, 0), 0)


def vgpud_stops():
    """xen-vgpud ends on SIGTERM with a device attached, and starts again"""
    box.start()
    box.attach()
    fixture.kill('dom0', 'xen-vgpud', signal.SIGTERM)
    service.start_backend()
    fixture.until('the device is connected again', connected)
    box.must_run()
    box.destroy()


main(start, program_killed, executor_killed, frontd_killed, vgpud_killed, destroyed, next_guest,
     vgpud_stops)
