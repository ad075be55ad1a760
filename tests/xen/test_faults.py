#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each party dies in the middle of its work, on real Xen: what the others see, that nothing is left
behind, and that the next program runs without a reboot. With PV guests; test_faults_pvh.py, a link, with PVH.
"""

import json
import re
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, guest, service         # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402

box = fixture.Guest('faults', kind())
other = fixture.Guest('faults-other', kind())
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
    fixture.until('a program has ended', lambda: first.ended or second.ended)
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
    fixture.until('the device is connected again', box.connected)
    box.must_run()
    fixture.no_leak(base, box)


def goes_on(job):
    """Three more rounds of it at least."""
    said = job.text.count('round ')
    fixture.until(f'the program goes on beyond round {said}',
                  lambda: job.ended or job.text.count('round ') > said + 3)
    check(not job.ended, f'the program has ended:\n{job.text}\n{fixture.logs(box)}')


def ends_well(job):
    """It frees what it has and says PASS."""
    box.kill('steady', signal.SIGTERM)
    check_equal(f'status of the program, which said\n{job.text[-300:]}\n', job.wait(120), 0)
    check_in('the program', job.text, 'PASS steady')


def ended_sessions():
    """How many `vgpu list` knows of."""
    return len(json.loads(client.check('dom0', ['vgpu', 'list', '--json']))['ended'])


def restarted_under_programs(number):
    """A program is in the middle of its rounds all the while; another is started when there is no
    xen-vgpud, a third after its return. Sessions that had ended before are still listed."""
    job = box.background()
    ended = ended_sessions()
    check(ended > 0, 'no session has ended yet')
    executors = service.pids('dom0', 'vgpu-executor')
    fixture.kill('dom0', 'xen-vgpud', number)
    goes_on(job)
    waiting = client.Background(box.name, ['/opt/programs/steady', '2'], 'user')
    service.start_backend()
    fixture.until('the device is connected again', box.connected)
    goes_on(job)
    check(ended_sessions() >= ended, 'xen-vgpud has forgotten sessions that had ended')
    check(set(executors) <= set(service.pids('dom0', 'vgpu-executor')), 'its executor is another')
    # It waits 15 seconds, in which an emulated xen-vgpud may not have started.
    if waiting.wait(120):
        check_in('the one that waited', waiting.text, 'is xen-vgpud running?')
        print('    the one that waited was told that xen-vgpud does not run')
    box.must_run()
    check_in('vgpu list', client.check('dom0', ['vgpu', 'list']), 'steady')
    ends_well(job)
    fixture.no_leak(base, box)


def vgpud_killed():
    """kill -9 of xen-vgpud: a program goes on over it and its restart, and ends with PASS"""
    restarted_under_programs(signal.SIGKILL)


def vgpud_upgraded():
    """SIGTERM and start of xen-vgpud, as at an upgrade: the same"""
    restarted_under_programs(signal.SIGTERM)


def vgpud_killed_again_and_again():
    """kill -9 of xen-vgpud five times, at different moments of its start"""
    job = box.background()
    for pause in (0, 0.1, 0.3, 1, 3):
        fixture.kill('dom0', 'xen-vgpud')
        client.output('dom0', ['rm', '-f', '/run/vgpu/xen-vgpud.sock'])
        service.start_backend()
        time.sleep(pause)
    fixture.until('the device is connected again', box.connected)
    goes_on(job)
    ends_well(job)
    box.must_run()
    fixture.no_leak(base, box)


def told():
    """xen-vgpud's metrics, by name and labels."""
    text = client.check('dom0', ['wget', '-q', '-O', '-', 'http://127.0.0.1:9835/metrics'])
    return {name: float(value) for name, value in re.findall(r'^([a-z_]+(?:{.*})?) (\S+)$', text, re.M)}


def vgpud_metrics():
    """metrics: switched on by a reload they count programs; what has ended stays counted; off again"""
    conf = '/run/metrics.conf'

    def settings(text):
        client.check('dom0', ['sh', '-c', 'printf "$1" >"$2"', 'settings', text, conf])

    fixture.kill('dom0', 'xen-vgpud', signal.SIGTERM)
    settings('metrics = off\n')
    client.check('dom0', ['ifconfig', 'lo', '127.0.0.1', 'up'])
    service.start_backend([f'--config={conf}'])
    fixture.until('the device is connected again', box.connected)
    check(client.output('dom0', ['wget', '-q', '-O', '-', 'http://127.0.0.1:9835/metrics'])[0], 'they are on')
    settings('metrics = 127.0.0.1:9835\nmetrics-sessions = yes\n')
    client.check('dom0', ['kill', '-HUP', str(service.pids('dom0', 'xen-vgpud')[0])])
    fixture.until('they are on', lambda: not client.output(
        'dom0', ['wget', '-q', '-O', '-', 'http://127.0.0.1:9835/'])[0])
    guest_labels = f'domid="{box.domid}",devid="0",domain="{box.name}"'
    calls = f'vgpu_guest_commands_total{{{guest_labels}}}'
    lost = f'vgpu_guest_sessions_ended_total{{{guest_labels},reason="executor"}}'
    check_equal('at first', [told().get(name) for name in (calls, lost, 'vgpu_executors')], [0, 0, 0])
    job = box.background()
    fixture.until('calls are counted', lambda: told()[calls] > 20)
    now = told()
    check_equal('the executor', [now['vgpu_executors'], now[f'vgpu_guest_sessions{{{guest_labels}}}']], [1, 1])
    check(now[f'vgpu_guest_copied_bytes_total{{{guest_labels},direction="to_gpu"}}'] > 0, 'nothing was copied')
    check(now[f'vgpu_guest_memory_bytes{{{guest_labels}}}'] > 0, 'no memory')
    check([name for name in now if name.startswith('vgpu_session_commands_total{') and 'program="steady"' in name],
          f'the program is not among {sorted(now)}')
    fixture.kill('dom0', 'vgpu-executor')
    job.wait(120)
    fixture.until('its end is counted', lambda: told()[lost] == 1)
    check(told()[calls] >= now[calls], 'the end of a session has lowered the total')
    box.must_run()
    time.sleep(0.6)                     # for a text that is new
    last = told()
    check(last[calls] > now[calls] + 20, 'the next program is not counted')
    check_equal('the GPU', last['vgpu_gpu_commands_total{gpu="soft"}'], last[calls])
    print(f'    {calls} {last[calls]:.0f}')
    fixture.kill('dom0', 'xen-vgpud', signal.SIGTERM)
    service.start_backend()
    fixture.until('the device is connected again', box.connected)
    box.must_run()
    fixture.no_leak(base, box)


def vgpud_never_back():
    """xen-vgpud does not come back: the program gets an error after adopt-timeout, nothing is left"""
    fixture.kill('dom0', 'xen-vgpud', signal.SIGTERM)
    service.start_backend(['--adopt-timeout=5'])
    fixture.until('the device is connected again', box.connected)
    job = box.background()
    fixture.kill('dom0', 'xen-vgpud')
    check_equal('status of the program', job.wait(120), 3)
    check_in('what the program was told', job.text, 'CUDA_ERROR_DEVICE_UNAVAILABLE')
    print('    ' + job.text.splitlines()[-1])
    fixture.no_executor()
    domid = client.check('dom0', ['xl', 'domid', box.name]).strip()
    check_equal("the guest's mapped grants", counts.grants().get(int(domid), 0),
                base['grants of the guest'] - 1)
    service.start_backend()
    fixture.until('the device is connected again', box.connected)
    box.must_run()
    fixture.no_leak(base, box)


def destroyed_while_away():
    """xl destroy while there is no xen-vgpud: the next one ends the executor, no zombie is left"""
    other.start()
    other.attach()
    other.background()
    fixture.kill('dom0', 'xen-vgpud')
    guest.destroy(other.name)
    service.start_backend()
    fixture.no_executor()
    gone = f'/{other.domid}/'
    fixture.until('its nodes have gone',
                  lambda: not [path for path in counts.xenstore() if gone in path])
    fixture.until('it is no zombie', lambda: sorted(counts.domains()) == ['Domain-0', box.name])
    fixture.until('the device is connected again', box.connected)
    box.must_run()
    fixture.no_leak(base, box)


def destroyed():
    """xl destroy in the middle of a copy: no zombie, no node, no process; another guest goes on"""
    other.start()
    other.attach()
    survivor, victim = other.background(), box.background()
    nodes = set(counts.xenstore())      # attach is over before the frontend has written its own
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
    fresh = [path for path in counts.xenstore() if gone not in path and path not in nodes]
    check(not fresh, f'new nodes in xenstore: {fresh}')


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
    fixture.until('the device is connected again', box.connected)
    box.must_run()
    box.destroy()


main(start, program_killed, executor_killed, frontd_killed, vgpud_killed, vgpud_upgraded,
     vgpud_killed_again_and_again, vgpud_metrics, vgpud_never_back, destroyed_while_away, destroyed, next_guest,
     vgpud_stops)
