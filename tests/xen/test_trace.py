#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`vgpu trace` on real Xen: a guest's program from its beginning and from its middle, with all stages of its calls by one clock; what
ends a recording, and that the program never notices.
"""

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'unit/tools')]
import trace_events                                                 # noqa: E402
from xentest import client, fixture, service                        # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402
from xentest.paths import BUILD                                     # noqa: E402

FILE = '/tmp/test.trace'
LINE = re.compile(r' *-?\d+\.\d{6} +(\d+) +(\d+):(\d+) +(\w+)\((.*)\) = (\w+)(.*) <((?:\w+ \d+\.\d )+)= (\d+\.\d) us>')
# What saxpy is known to send, in this order.
SAXPY = ['vgPrimaryRetain', 'cuMemAlloc_v2', 'cuModuleGetFunction', 'vgLaunch', 'cuStreamSynchronize', 'cuMemFree_v2']
box = fixture.Guest('trace', kind())


def record(*options):
    """A recording under way."""
    job = client.Background('dom0', ['vgpu', 'trace', '--force', '-o', FILE, *options, box.name], timeout=600)
    job.wait_for('Ctrl-C')
    return job


def finish(job, number=signal.SIGINT):
    """(sessions, calls, lost), as it says at its end."""
    if number:
        job.signal(number)
    check_equal(f'status of vgpu trace, which said\n{job.text}\n', job.wait(60), 0)
    counts = re.search(r'(\d+) sessions, (\d+) calls, \d+ bytes, (\d+) lost\n', job.text)
    check(counts, f'no counts in {job.text!r}')
    check('made no sense' not in job.text and 'not all executors' not in job.text, job.text)
    return tuple(map(int, counts.groups()))


def shown(*options):
    """The heads of sessions, and (call, arguments, stages) of each line."""
    lines = client.check('dom0', ['vgpu', 'trace', '--show', *options, FILE], timeout=300).splitlines()
    calls = []
    for line in lines:
        match = LINE.fullmatch(line)
        check(match or line.startswith('#'), f'no line of a call: {line}')
        if match:
            calls.append((match[4], match[5], dict(zip(match[8].split()[::2], map(float, match[8].split()[1::2])))))
    return [line for line in lines if ', executor ' in line], calls


def goes_on(job):
    """The program that was recorded does, without an error."""
    rounds = job.text.count('round')
    fixture.until('the program goes on', lambda: job.text.count('round') > rounds + 2)
    check('ended' not in job.text, job.text)


def end(job):
    box.kill('steady', signal.SIGTERM)
    check_equal(f'status of steady, which said\n{job.text}\n', job.wait(120), 0)
    fixture.no_executor()


def from_the_beginning():
    """a program that starts later: whole, each call with its arguments and stages, nothing lost"""
    fixture.need_software()
    box.start()
    box.attach()
    job = record('--data')
    check_in('what is recorded', job.text, 'recording 0 sessions')
    box.must_run('saxpy')
    fixture.no_executor()
    sessions, count, lost = finish(job)
    check_equal('sessions and losses', (sessions, lost), (1, 0))
    heads, calls = shown()
    check_equal('calls', len(calls), count)
    check_in('the head', heads[0], f'domain {box.domid} vGPU 0 saxpy')
    check_in('the head', heads[0], 'whole, with data')
    check("not to its end" not in heads[0], heads[0])
    check("the guest's clock: known to " in heads[0], heads[0])
    names = iter(name for name, _, _ in calls)
    missing = [name for name in SAXPY if name not in names]
    check(not missing, f'not found in their order: {missing}')
    check(not [args for _, args, _ in calls if '?' in args], 'arguments are missing')
    without = [call for call in calls if 'wait' not in call[2]]
    check(len(without) <= 2, f'without the time of their sending: {without[:5]}')
    print(f'    {heads[0]}\n    {calls[len(calls) // 2]}')


def events():
    """the same for Perfetto: JSON in which slices nest"""
    found = trace_events.load(client.check('dom0', ['vgpu', 'trace', '--chrome', FILE], timeout=300))
    faults = trace_events.faults(found)
    check(not faults, f'{len(faults)} faults, the first {faults[:3]}')
    executed = [e for e in found if e['ph'] == 'X' and e['cat'] == 'executor']
    check_equal('calls', len(executed), len(shown()[1]))
    check_in('the summary', client.check('dom0', ['vgpu', 'trace', '--summary', FILE]), 'cuStreamSynchronize')


def replayed():
    """what was recorded is played again here, on the software device: nothing differs"""
    with tempfile.NamedTemporaryFile(suffix='.trace') as file:
        status = client.Command('dom0', ['cat', FILE]).run(None, file.write, client.emit(sys.stderr), 600)
        check_equal('status of cat', status, 0)
        file.flush()
        done = subprocess.run([BUILD / 'bin/vgpu', 'replay', file.name, '--', '--soft'], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    check_equal(f'status of vgpu replay, which said\n{done.stdout}\n', done.returncode, 0)
    print(''.join(f'    {line}\n' for line in done.stdout.splitlines()), end='')


def from_the_middle():
    """a program that runs: from its middle, to the recording's end, and it goes on"""
    program = box.background()
    job = record('--seconds=5')
    check_in('what is recorded', job.text, 'recording 1 sessions')
    sessions, count, lost = finish(job, None)
    check_equal('sessions and losses', (sessions, lost), (1, 0))
    heads, calls = shown()
    check_in('the head', heads[0], 'from its middle')
    check_in('the head', heads[0], 'not to its end')
    check(count > 20 and {'cuStreamSynchronize', 'vgCopy'} & {name for name, _, _ in calls}, f'{count} calls')
    check("the guest's clock: known to " in heads[0], heads[0])
    print(f'    {heads[0]}')
    goes_on(program)
    end(program)


def again_and_again():
    """one recording after the other, ended by Ctrl-C, by SIGKILL and by size; a second one beside it is refused"""
    program = box.background()
    job = record()
    status, _, err = client.output('dom0', ['vgpu', 'trace', '-o', f'{FILE}.2', box.name])
    check(status == 1 and 'traced already, by process' in err, f'{status}: {err}')
    check_in('vgpu trace that is killed', str(finish(job)), '(1, ')
    job = record()
    job.signal(signal.SIGKILL)
    job.wait(60)
    goes_on(program)
    fixture.until('the killed one is forgotten', lambda: client.output(
        'dom0', ['vgpu', 'trace', '--force', '--seconds=1', '-o', FILE, box.name])[0] == 0)
    job = record('--max-size=64K')
    finish(job, None)
    check_in('why', job.text, '--max-size')
    size = int(client.check('dom0', ['stat', '-c', '%s', FILE]))
    check(size <= 65536, f'{size} bytes')
    goes_on(program)
    end(program)


def service_ends():
    """xen-vgpud is killed: the recording ends and says so, the program goes on, and another xen-vgpud records it"""
    program = box.background()
    job = record()
    fixture.kill('dom0', 'xen-vgpud')
    finish(job, None)
    check_in('why', job.text, 'xen-vgpud has ended')
    goes_on(program)
    service.start_backend()
    fixture.until('the device is connected again', box.connected)
    job = record()
    fixture.until('its session is resumed', lambda: '"state":"open"' in client.check(
        'dom0', ['vgpu', 'list', '--json', box.name]).replace(' ', ''))
    goes_on(program)
    sessions, count, lost = finish(job)
    check(sessions == 1 and count and not lost, f'{sessions} sessions, {count} calls, {lost} lost')
    end(program)


def executor_killed():
    """an executor is killed: its session has no end, and the recording goes on"""
    program = box.background()
    job = record()
    goes_on(program)
    fixture.kill('dom0', 'vgpu-executor')
    program.wait(120)
    box.must_run()
    sessions, _, _ = finish(job)
    heads, _ = shown()
    check_equal('sessions', (sessions, len(heads)), (2, 2))
    check('not to its end' in heads[0] and 'not to its end' not in heads[1], heads)


def guest_destroyed():
    """xl destroy: the recording ends by itself, with all until then"""
    box.background()
    job = record()
    fixture.until('something is recorded', lambda: int(client.check('dom0', ['stat', '-c', '%s', FILE])) > 4096)
    box.destroy()
    sessions, count, _ = finish(job, None)
    check_in('why', job.text, 'the vGPU has gone')
    check(sessions == 1 and count > 5, f'{sessions} sessions, {count} calls')
    fixture.no_executor()


main(from_the_beginning, events, replayed, from_the_middle, again_and_again, service_ends, executor_killed, guest_destroyed)
