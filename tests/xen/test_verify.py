#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`vgpu verify` on real Xen: each link of the chain is broken on purpose, and must be the one that is named, by the exit status
and in words; before and after, all is healthy.
"""

import json
import re
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, fixture, service                        # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402

# docs/man/vgpu.8
DAEMON, DOMAIN, GPU, DEVICE, BROKER, SESSION, EXECUTOR, COMMANDS, REPLIES = range(10, 19)
# Names the software devices that are lost (docs/soft.md).
LOST = '/run/soft-lost'
box = fixture.Guest('verify', kind(), programs=('saxpy', 'steady', 'stuck'))


def verify(*args, expect=0):
    """What it says, with the status that it must have."""
    status, out, err = client.output('dom0', ['vgpu', 'verify', *args, box.name], timeout=300)
    check_equal(f'status of vgpu verify, which said\n{out}{err}\n', status, expect)
    return out


def status_is(status):
    """Whether it says this by now; for what takes its time to come about."""
    return client.output('dom0', ['vgpu', 'verify', box.name], timeout=300)[0] == status


def named(status, link, *words, args=()):
    """The broken link is this one, and the words are there; prints what was said of it."""
    text = verify(*args, expect=status)
    last = text.splitlines()[-1]
    check(last.startswith(f'broken: {link}: '), f'the verdict is: {last}\n{text}')
    for word in words:
        check_in(f'what was said of {link}', text, word)
    print(''.join(f'    {line}\n' for line in text.splitlines() if re.match(r'  broken| +-> |broken', line)), end='')


def healthy():
    """a guest without and with a program: healthy, with what the chain has carried"""
    fixture.need_software()
    box.start()
    box.attach()
    fixture.until('the device is connected', box.connected)
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


def end(job, program='steady'):
    box.kill(program, signal.SIGTERM)
    job.wait(120)
    fixture.no_executor()


def stuck(how, *args, until):
    """The program of that name, once it has said that."""
    job = client.Background(box.name, ['/opt/programs/stuck', how, *args], 'user', timeout=1800)
    job.wait_for(until, 240)
    return job


def backend_anew(env=None):
    fixture.kill('dom0', 'xen-vgpud')
    service.start_backend(env=env)
    fixture.until('the device is connected again', box.connected)


def queues():
    """The fullest ring of commands, as a share of it."""
    top = json.loads(client.check('dom0', ['vgpu', 'top', '--once', '--json', '--delay', '0.5', box.name]))
    lanes = [lane for guest in top['guests'] for process in guest['processes'] for lane in process['lanes']]
    return max((lane['commands_unread'] / lane['commands_bytes'] for lane in lanes), default=0)


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


def ring_full():
    """a launch that does not return, and others behind it until the ring is full: the commands, then all well"""
    backend_anew({'VGPU_SOFT_QUEUE': '64'})
    job = stuck('full', until='launching')
    fixture.until('the ring is full', lambda: queues() > 0.75)
    fixture.until('that takes too long', lambda: status_is(COMMANDS))
    named(COMMANDS, 'commands', 'has been at vgLaunch', 'its ring is full behind it', 'the driver does not return',
          'ending the program in the guest frees it')
    end(job, 'stuck')
    check_in('the program', job.text, 'PASS full')
    print(f'    {job.text.splitlines()[-1]}')
    verify()
    box.must_run()
    backend_anew()


def program_stopped():
    """SIGSTOP to a program that waits for an answer: the replies, which it takes when it goes on"""
    job = stuck('asleep', '15', until='waiting')
    time.sleep(2)
    box.send('stuck', signal.SIGSTOP)
    fixture.until('the answer is there', lambda: status_is(REPLIES))
    named(REPLIES, 'replies', 'have not been taken by the guest', "the program's thread does not run")
    box.send('stuck', signal.SIGCONT)
    check_equal('status of the program', job.wait(120), 0)
    fixture.no_executor()
    verify()


def lose(numbers):
    client.check('dom0', ['sh', '-c', f'echo "{numbers}" >{LOST} && chmod 644 {LOST}'])


def gpu_lost():
    """the GPU is lost under a program: the GPU, and so after its end; for the next one too; it comes back"""
    lose('')
    backend_anew({'VGPU_SOFT_LOST': LOST})
    try:
        without_gpu()
    finally:
        lose('')
    box.must_run()
    verify()
    backend_anew()


def without_gpu():
    job = stuck('never', until='round 2\n')
    verify()
    lose('0')
    job.wait_for('error: CUDA_ERROR_DEVICE_UNAVAILABLE', 60)
    named(GPU, 'gpu', 'CUDA_ERROR_DEVICE_UNAVAILABLE of', 'Xid', 'programs have to be started again')
    end(job, 'stuck')
    named(GPU, 'gpu', 'ended', 'CUDA_ERROR_DEVICE_UNAVAILABLE of')
    status, text = box.run('steady', '2')
    check(status != 0, f'a program ran without a GPU: {text}')
    check_in('what it was told', text, 'CUDA_ERROR_NO_DEVICE')
    named(SESSION, 'session', 'init: CUDA_ERROR_NO_DEVICE', args=['--probe'])


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
    box.destroy()


main(healthy, service_stopped, executor_stopped, broker_dead, guest_paused, ring_full, program_stopped, gpu_lost,
     gpu_gone, no_device, level_while_it_runs)
