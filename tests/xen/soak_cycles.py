#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many lives of a device and of programs, and the counts afterwards (`make soak`). An hour or more under
emulation. SOAK_CYCLES attaches and detaches (200), each tenth with a program in between; SOAK_STARTS
starts of a program (2000), eight at a time. Memory of xen-vgpud and vgpu-frontd is looked at as well.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, service                # noqa: E402
from xentest.cases import check, main                               # noqa: E402

CYCLES = int(os.environ.get('SOAK_CYCLES', '200'))
STARTS = int(os.environ.get('SOAK_STARTS', '2000'))
AT_ONCE = 8
# What the services may have grown by: libc's allocator keeps some pages, and xen-vgpud remembers the last
# 128 sessions that ended, 9 KiB each.
GROWTH_KIB = {'xen-vgpud': 256 + 128 * 9, 'vgpu-frontd': 256}

# N starts of the program, some at a time; says how many did not pass, after which start the first, and its last words.
STARTER = '''
left=$1 bad=0
while [ "$left" -gt 0 ]; do
    n=$2; [ "$n" -le "$left" ] || n=$left
    left=$((left - n)) pids=
    while [ "$n" -gt 0 ]; do
        /opt/programs/steady 1 >/tmp/starter.$n 2>&1 & pids="$pids $!:$n"; n=$((n - 1))
    done
    for pid in $pids; do
        wait "${pid%:*}" && continue
        bad=$((bad + 1))
        [ "$bad" -gt 1 ] || echo "first after $(($1 - left)): $(tail -n 3 "/tmp/starter.${pid#*:}")"
    done
done
rm -f /tmp/starter.*
echo "bad=$bad"
'''

box = fixture.Guest('soak')
base = {}


def resident(target, name):
    """KiB that a service has in memory."""
    pid = service.pids(target, name)[0]
    status = client.check(target, ['cat', f'/proc/{pid}/status'])
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS'))


def memory():
    return {'xen-vgpud': resident('dom0', 'xen-vgpud'),
            'vgpu-frontd': resident(box.name, 'vgpu-frontd')}


def settle(memory_before):
    fixture.no_executor()
    fixture.no_leak(base, box)
    after = memory()
    print(f'    resident KiB: {memory_before} before, {after} after')
    for name, before in memory_before.items():
        check(after[name] <= before + GROWTH_KIB[name], f'{name} grew from {before} to {after[name]} KiB')


def start():
    """a guest with a vGPU works"""
    fixture.need_software()
    box.start()
    box.attach()
    box.must_run()
    box.detach()
    fixture.no_executor()
    base.update(counts.snapshot(box.name))


def cycles():
    """attach and detach again and again: counts and memory are as before"""
    before = memory()
    began = time.monotonic()
    for number in range(CYCLES):
        box.attach()
        if number % 10 == 0:
            box.must_run()
        box.detach()
    print(f'    {CYCLES} cycles, {(time.monotonic() - began) / max(CYCLES, 1):.1f} s each')
    settle(before)


def starts():
    """a program is started again and again: each passes, counts and memory are as before"""
    box.attach()
    box.must_run()
    fixture.no_executor()
    base.update(counts.snapshot(box.name))
    before = memory()
    began = time.monotonic()
    said = client.check(box.name, ['sh', '-c', STARTER, 'starter', str(STARTS), str(AT_ONCE)],
                        user='user', timeout=60 + 30 * STARTS)
    print(f'    {STARTS} starts, {(time.monotonic() - began) / max(STARTS, 1):.1f} s each, '
          f'{said.strip()}')
    check(said.strip() == 'bad=0', f'programs that did not pass: {said.strip()}')
    settle(before)
    box.destroy()


main(start, cycles, starts)
