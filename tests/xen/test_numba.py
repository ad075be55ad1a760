#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kernels that numba has compiled, on a vGPU of a PV guest. The guest has no Python: numba compiles them here
(tests/clients/record-numba), and tests/clients/replay.c launches them there and compares with what numpy said; a second
time with the machine code that the first one has left in the guest's compute cache.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture                         # noqa: E402
from xentest.cases import Skip, check, check_equal, main            # noqa: E402

CLIENTS = Path(__file__).resolve().parent.parent / 'clients'
LAUNCHES = 8
CACHE = '/tmp/compute-cache'
box = fixture.Guest('numba', programs=('replay', 'steady'))
recorded = {}


def replay():
    """(result of the compute cache: how often)"""
    said = []
    env = {'CUDA_CACHE_PATH': CACHE, 'VGPU_LOG': 'info'}
    job = client.Command(box.name, ['/opt/programs/replay'], 'user', env=env)
    status = job.run(recorded['file'], said.append, said.append, timeout=600)
    lines = b''.join(said).decode(errors='replace').splitlines()
    passed = [line for line in lines if line.startswith('PASS')]
    print(''.join(f'    {line}\n' for line in passed), end='')
    check(status == 0 and len(passed) == LAUNCHES, f'status {status}:\n' + '\n'.join(lines))
    words = [line.split('event=jit-cache result=')[1].split()[0] for line in lines if 'event=jit-cache' in line]
    return {word: words.count(word) for word in set(words)}


def record():
    """numba compiles the kernels"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'launches')
        done = subprocess.run([CLIENTS / 'check-numba', '--record', path], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=900, check=False)
        if done.returncode == 77:
            raise Skip(done.stdout.strip().splitlines()[-1])
        check(done.returncode == 0, done.stdout)
        recorded['file'] = path.read_bytes()


def start():
    """a guest with a vGPU"""
    fixture.need_software()
    box.start()
    box.attach('gpu=soft')
    fixture.no_executor()


def first():
    """the kernels compute what numpy does"""
    if not recorded:
        raise Skip('nothing was recorded')
    base = counts.snapshot(box.name)
    results = replay()
    check_equal('compiled and kept', (results.get('kept'), results.get('hit')), (LAUNCHES, None))
    fixture.no_leak(base, box)


def second():
    """so they do with the code from the guest's compute cache"""
    if not recorded:
        raise Skip('nothing was recorded')
    check_equal('from the cache', replay(), {'hit': LAUNCHES})
    box.must_run()
    box.detach()
    box.destroy()


main(record, start, first, second)
