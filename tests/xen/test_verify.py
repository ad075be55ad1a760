#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`vgpu verify` on real Xen: each link of the chain is broken on purpose, and must be the one that is named, by the exit status
and in words; before and after, all is healthy.
"""

import json
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, fixture, service                        # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402

# docs/man/vgpu.8
DAEMON, DOMAIN, GPU, DEVICE, BROKER, SESSION, EXECUTOR = 10, 11, 12, 13, 14, 15, 16
box = fixture.Guest('verify', kind())


def verify(*args, expect=0):
    """What it says, with the status that it must have."""
    status, out, err = client.output('dom0', ['vgpu', 'verify', *args, box.name], timeout=300)
    check_equal(f'status of vgpu verify, which said\n{out}{err}\n', status, expect)
    return out


def named(status, link, *words):
    """The broken link is this one, and the words are there; prints the verdict."""
    text = verify(expect=status)
    last = text.splitlines()[-1]
    check(last.startswith(f'broken: {link}: '), f'the verdict is: {last}\n{text}')
    for word in words:
        check_in(f'what was said of {link}', text, word)
    print(f'    {last}')


def healthy():
    """a guest without and with a program: healthy, with what the chain has carried"""
    fixture.need_software()
    box.start()
    box.attach()
    text = verify()
    check_in('without a program', text, 'programs: 0 of at most 16')
    job = box.background()
    text = verify()
    for words in ('xen-vgpud', 'frontend connected', 'steady, process', 'seccomp', 'processed in all', 'healthy'):
        check_in('with a program', text, words)
    print(''.join(f'    {line}\n' for line in text.splitlines()), end='')
    seen = json.loads(verify('--json'))
    check(seen['healthy'] and not seen['broken'], 'not healthy as JSON')
    executor = [f for f in seen['findings'] if f['name'] == 'executor']
    check_equal('executors seen', [f['verdict'] for f in executor], ['ok'])
    end(job)


def send(name, number):
    """A signal that does not end them to all processes of that name in dom0."""
    found = service.pids('dom0', name)
    check(found, f'dom0: no {name}')
    client.check('dom0', ['kill', f'-{int(number)}', *(str(pid) for pid in found)])


def end(job):
    box.kill('steady', signal.SIGTERM)
    job.wait(120)
    fixture.no_executor()


def service_stopped():
    """xen-vgpud is killed, then another is stopped by a signal: the daemon"""
    job = box.background()
    fixture.kill('dom0', 'xen-vgpud')
    named(DAEMON, 'daemon', 'systemctl start xen-vgpud')
    service.start_backend()
    fixture.until('the device is connected again', box.connected)
    send('xen-vgpud', signal.SIGSTOP)
    named(DAEMON, 'daemon', 'hangs or is stopped')
    send('xen-vgpud', signal.SIGCONT)
    verify()
    end(job)


def executor_stopped():
    """SIGSTOP to an executor: the executor, and what lets it go on"""
    job = box.background()
    send('vgpu-executor', signal.SIGSTOP)
    named(EXECUTOR, 'executor', 'is stopped', 'kill -CONT')
    send('vgpu-executor', signal.SIGCONT)
    verify()
    end(job)


def broker_dead():
    """vgpu-frontd is killed: the broker; started again, all is well"""
    box.kill('vgpu-frontd')
    fixture.until('the device is closed', lambda: not box.connected())
    named(BROKER, 'broker', 'restart vgpu-frontd')
    box.start_frontend()
    fixture.until('the device is connected again', box.connected)
    verify()


def guest_paused():
    """xl pause: the domain"""
    job = box.background()
    client.check('dom0', ['xl', 'pause', box.name])
    named(DOMAIN, 'domain', 'paused', 'xl unpause')
    client.check('dom0', ['xl', 'unpause', box.name])
    verify()
    end(job)


def gpu_gone():
    """a vGPU of a GPU that this host does not have: its programs are refused, and that is said"""
    box.detach()
    box.attach('gpu=0,driver=default')
    status, text = box.run('steady', '2')
    check(status != 0, f'a program ran without a GPU: {text}')
    named(SESSION, 'session', 'refused')
    box.detach()
    box.attach()
    box.must_run()
    verify()


def no_device():
    """a domain without a vGPU"""
    box.detach()
    named(DEVICE, 'device', 'it has no vGPU', 'vgpu attach')


def level_while_it_runs():
    """vgpu log reaches a program's executor that runs already"""
    box.attach()
    job = box.background()
    client.check('dom0', ['vgpu', 'log', box.name, 'call'])
    fixture.until('calls are logged', lambda: 'level=call op=' in fixture.logs(box, 400))
    client.check('dom0', ['vgpu', 'log', 'info', box.name])
    end(job)


main(healthy, service_stopped, executor_stopped, broker_dead, guest_paused, gpu_gone, no_device, level_while_it_runs)
