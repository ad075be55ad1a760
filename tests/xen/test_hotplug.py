#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A vGPU comes and goes while the guest runs: attach, detach idle and in use, again and again, two
devices, before and after vgpu-frontd, forced; the counts stay as they were. With PV guests;
test_hotplug_pvh.py, a link, with PVH.
"""

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, guest, service         # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402
from xentest.paths import BUILD                                     # noqa: E402

box = fixture.Guest('hotplug', kind(), ('saxpy', 'steady', 'peers'))
MIB = 1 << 20
base = {}


def backend_nodes():
    return [path for path in counts.xenstore() if f'backend/vgpu/{box.domid}/' in path]


def start():
    """a guest without a vGPU: a program says that there is no device"""
    fixture.need_software()
    box.start()
    base.update(counts.snapshot(box.name))
    status, text = box.run('steady', '2')
    check(status == 1, f'status {status}: {text}')
    check_in('without a device', text, 'no')
    print(''.join(f'    {line}\n' for line in text.splitlines()), end='')


def attach():
    """attach to a running guest: the program works"""
    box.attach()
    box.must_run()


def detach_idle():
    """detach: the next program finds no device, nothing is left"""
    box.detach()
    check_equal('nodes', backend_nodes(), [])
    status, text = box.run('steady', '2')
    check(status == 1, f'status {status}: {text}')
    fixture.no_leak(base, box)


def told_of_loss(job):
    check_equal('status of the program', job.wait(60), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    print('    ' + job.text.splitlines()[-1])


def detach_busy():
    """detach in the middle of a copy: the program ends with an error, nothing is left"""
    box.attach()
    job = box.background()
    box.detach()
    told_of_loss(job)
    fixture.no_leak(base, box)


def again():
    """five times more: attach, a program, detach"""
    for _ in range(5):
        box.attach()
        box.must_run()
        box.detach()
    fixture.no_leak(base, box)


def two_devices():
    """two devices at once; one goes, the other stays"""
    box.attach('gpu=soft')
    box.attach('gpu=soft,devid=1')
    for wanted in ('0', '1'):
        status, text = box.run('steady', '2', env={'VGPU_DEVICE': wanted})
        check_equal(f'VGPU_DEVICE={wanted}: {text}', status, 0)
    listing = client.check('dom0', ['vgpu', 'list', box.name])
    check_in('list', listing, 'vGPU 0')
    check_in('list', listing, 'vGPU 1')
    box.detach(1)
    box.must_run()
    box.detach(0)
    fixture.no_leak(base, box)


def ask(**request):
    """A request to xen-vgpud's control socket."""
    answer = json.loads(client.check('dom0', ['/tmp/ask', '/run/vgpu/xen-vgpud.sock', json.dumps({'vgpu': 1} | request)]))
    check(answer['ok'], f'{request}: {answer}')
    return answer


def probes(what, wait=True):
    """Has the guest's devices probed; what `list` has of each."""
    ask(request='look', domid=box.domid, probe=what)

    def listed():
        return [device.get('probe', {}) for device in ask(request='list', domid=box.domid)['devices']]

    if wait:
        fixture.until(f'probe {what} is answered', lambda: all('answered_ms' in probe for probe in listed()))
    for probe in listed():
        check_equal('what', probe.get('what'), what)
        print(f'    {probe}')
    return listed()


def probed():
    """vgpu-frontd is asked whether it is alive and whether a kernel runs, on two devices
    No answer while it is stopped, and no kernel where the guest does not allow it."""
    guest.push('dom0', BUILD / 'bin/ask', '/tmp/ask')
    box.attach('gpu=soft')
    box.attach('gpu=soft:1,devid=1')
    fixture.until('both are connected', lambda: [device['connected'] for device in ask(
        request='list', domid=box.domid)['devices']] == [True, True])
    for probe in probes('alive'):
        check_equal('alive', (probe['status'], probe['programs'], probe['sessions'], probe['pages']), (0, 0, 0, 0))
        check(probe['pages_max'] > 1000, 'pages_max')
    for probe in probes('kernel'):
        check(probe['status'] == 0 and probe['text'].startswith('ok: 1 x vgpu soft device'),
              f'{probe}\n{fixture.logs(box)}')
    box.send('vgpu-frontd', signal.SIGSTOP)
    probes('alive', wait=False)
    time.sleep(5)
    check(not any('answered_ms' in device['probe'] for device in ask(request='list', domid=box.domid)['devices']),
          'a stopped vgpu-frontd has answered')
    box.send('vgpu-frontd', signal.SIGCONT)
    fixture.until('it answers again', lambda: all('answered_ms' in device['probe'] for device
                                                  in ask(request='list', domid=box.domid)['devices']))
    conf = '/etc/vgpu/vgpu-frontd.conf'
    client.check(box.name, ['sh', '-c', f'cp -L {conf} /tmp/conf; rm {conf}; (cat /tmp/conf; echo probe = no) >{conf}'])
    box.send('vgpu-frontd', signal.SIGHUP)
    for probe in probes('kernel'):
        check_equal('where it is not allowed', probe['status'], -1)
        check_in('and why', probe['text'], 'probe = no')
    client.check(box.name, ['cp', '/tmp/conf', conf])
    box.send('vgpu-frontd', signal.SIGHUP)
    box.detach(1)
    box.detach(0)
    fixture.no_leak(base, box)


def numbers(text):
    """Which software devices `peers list` has named, in its order."""
    return [int(line.split()[2][-1]) for line in text.splitlines() if line.startswith('device ')]


def sessions(devid):
    """The processes that use a vGPU, as `vgpu list` has them."""
    listing = json.loads(client.check('dom0', ['vgpu', 'list', '--json', box.name]))
    return next(d.get('sessions', []) for d in listing['devices'] if d['devid'] == devid)


def joined():
    """two GPUs in one process: copies and access between them, a quota each; the environment chooses"""
    box.attach('gpu=soft,mem=96M')
    box.attach('gpu=soft:1,mem=64M,devid=1')
    status, text = box.run('peers')
    check(status == 0 and 'SKIP' not in text, f'peers gave {status}:\n{text}\n{fixture.logs(box)}')
    check_in('peers', text, 'PASS copy-peer-async')
    status, text = box.run('peers', 'quota', str(96 * MIB), str(64 * MIB))
    check_equal(f'quota: {text}', status, 0)
    for env, wanted in (({}, [0, 1]), ({'CUDA_VISIBLE_DEVICES': '1'}, [1]), ({'CUDA_VISIBLE_DEVICES': '1,0'}, [1, 0]),
                        ({'VGPU_DEVICE': '1'}, [1]), ({'VGPU_DEVICE': '1,0'}, [1, 0]),
                        ({'VGPU_DEVICE': '1,0', 'CUDA_DEVICE_ORDER': 'PCI_BUS_ID'}, [0, 1])):
        check_equal(f'{env}', numbers(box.run('peers', 'list', env=env)[1]), wanted)


def joined_detach():
    """a vGPU that a process has beside another is detached: the process ends with an error, the other stays"""
    job = box.background('peers', 'hold')
    held = {devid: sessions(devid) for devid in (0, 1)}
    for devid, there in held.items():
        check_equal(f'processes on vGPU {devid}', [(s['program'], s['devids']) for s in there], [('peers', [0, 1])])
    check(held[1][0]['memory'] >= 32 * MIB > held[0][0]['memory'], f'memory of each: {held}')
    check_in('list', client.check('dom0', ['vgpu', 'list', box.name]), 'has vGPUs 0,1')
    box.detach(1)
    check_equal('status of the program', job.wait(60), 3)
    check_in('what the program was told', job.text, 'ended: CUDA_ERROR')
    print('    ' + job.text.splitlines()[-1])
    check_equal('devices', numbers(box.run('peers', 'list')[1]), [0])
    box.must_run()
    box.detach(0)
    fixture.no_leak(base, box)


def joined_restart():
    """xen-vgpud is killed and started again under a process with two vGPUs: it goes on, with both"""
    box.attach('gpu=soft')
    box.attach('gpu=soft:1,devid=1')
    job = box.background('peers', 'hold')
    fixture.kill('dom0', 'xen-vgpud')
    service.start_backend()
    fixture.until('both are back', lambda: [len(sessions(devid)) for devid in (0, 1)] == [1, 1])
    fixture.until('it is open', lambda: sessions(1)[0]['state'] == 'open')
    rounds = job.text.count('round')
    fixture.until('it goes on', lambda: job.text.count('round') > rounds + 2)
    check(sessions(1)[0]['memory'] >= 32 * MIB, f'memory: {sessions(1)}')
    box.detach(1)
    check_equal('status of the program', job.wait(60), 3)
    box.detach(0)
    fixture.no_leak(base, box)


def frontd_frozen():
    """detach in the middle of a copy while vgpu-frontd does not answer: quick all the same"""
    box.attach()
    job = box.background()
    box.send('vgpu-frontd', signal.SIGSTOP)
    began = time.monotonic()
    box.detach()
    print(f'    detached within {time.monotonic() - began:.1f} s')
    told_of_loss(job)
    box.send('vgpu-frontd', signal.SIGCONT)
    fixture.no_leak(base, box)


def forced():
    """detach without xen-vgpud: refused with a message; by force the program ends with an error, and the
    next xen-vgpud lets go of everything"""
    box.attach()
    job = box.background()
    fixture.kill('dom0', 'xen-vgpud')
    status, _, err = client.output('dom0', ['vgpu', 'detach', box.name, '0'])
    check(status != 0, 'a detach without xen-vgpud has succeeded')
    check_in('message', err, '--force')
    print(f'    {err.strip()}')
    client.check('dom0', ['vgpu', 'detach', '--force', box.name, '0'])
    told_of_loss(job)
    service.start_backend()
    fixture.no_executor()
    fixture.no_leak(base, box)


def late_frontd():
    """attached while vgpu-frontd does not run: works when it starts"""
    box.kill('vgpu-frontd')
    client.check('dom0', ['vgpu', 'attach', '--no-wait', box.name, 'gpu=soft'])
    box.start_frontend()
    fixture.until('vgpu-frontd has connected', lambda: box.run('steady', '2')[0] == 0, 120)
    box.detach()
    fixture.no_leak(base, box)
    box.destroy()


main(start, attach, detach_idle, detach_busy, again, two_devices, probed, joined, joined_detach,
     joined_restart, frontd_frozen, forced, late_frontd)
