#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mem= over all processes of a guest, on real Xen: filled to the end by each kind of memory, shared by two
processes, shown by `vgpu list`, and whole again when a process or its executor is killed.
"""

import json
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture                         # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402

QUOTA = 64 << 20
box = fixture.Guest('quota', programs=('quota', 'steady'))
base = {}


def used():
    listing = json.loads(client.check('dom0', ['vgpu', 'list', '--json', box.name]))
    return listing['devices'][0]['mem_used']


def hoard():
    """A program that takes all there is and keeps it."""
    job = client.Background(box.name, ['/opt/programs/quota', 'second'], 'user')
    fixture.until('it has taken all', lambda: used() == QUOTA)
    return job


def start():
    """a guest with mem=64M"""
    fixture.need_software()
    box.start()
    box.attach('gpu=soft,mem=64M')
    fixture.no_executor()
    base.update(counts.snapshot(box.name))
    check_equal('used', used(), 0)


def program():
    """each kind of memory, to the end and back; a second process"""
    status, text = box.run('quota', env={'QUOTA': str(QUOTA)})
    print(''.join(f'    {line}\n' for line in text.splitlines()), end='')
    check(status == 0 and 'PASS second process' in text, f'status {status}\n{fixture.logs(box)}')
    fixture.until('nothing is used', lambda: used() == 0)


def another_program():
    """two programs: while one has it all, the other is out of memory; then it runs"""
    job = hoard()
    check_in('list', client.check('dom0', ['vgpu', 'list', box.name]), 'mem=64.0M (64.0M used)')
    status, text = box.run('steady', '2')
    check(status != 0, f'it ran:\n{text}')
    check_in('what it was told', text, 'OUT_OF_MEMORY')
    print('    ' + text.splitlines()[-1])
    box.kill('quota')
    job.wait()
    fixture.until('nothing is used', lambda: used() == 0)
    box.must_run()
    fixture.no_leak(base, box)


def executor_killed():
    """kill -9 of the executor that has it all: what it held comes back"""
    job = hoard()
    fixture.kill('dom0', 'vgpu-executor', signal.SIGKILL)
    fixture.until('nothing is used', lambda: used() == 0)
    box.must_run()
    box.kill('quota')
    job.wait()
    box.detach()
    box.destroy()


main(start, program, another_program, executor_killed)
