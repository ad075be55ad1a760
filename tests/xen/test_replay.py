#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recordings played in a guest, on real Xen: programs are recorded here, over the local channel, and vgpu-replay sends them again
through the guest's vGPU, whose rings are smaller and whose pinned memory is the guest's; a changed one must be told of.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture               # noqa: E402
from xentest.cases import check, check_equal, kind, main  # noqa: E402
from xentest.paths import BUILD                           # noqa: E402

# Whose recordings are small: they go to the guest by its console.
PROGRAMS = ('matmul', 'graphs', 'threads', 'streams', 'textures', 'graphnodes')
box = fixture.Guest('replay', kind())
recordings = {}
base = {}


def record(name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        done = subprocess.run([BUILD / 'bin/vgpu-run', '--soft', f'--trace={path}', '--trace-data', BUILD / 'programs' / name],
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                              env={**os.environ, 'CUDA_CACHE_DISABLE': '1'}, check=False)
        check_equal(f'status of {name}, which said\n{done.stdout}\n', done.returncode, 0)
        return path.read_bytes()


def replay(data, *options):
    """(status, the sum) in the guest."""
    said = []
    job = client.Command(box.name, ['vgpu-replay', '--json', '--timeout=300', *options, '-'], 'user')
    status = job.run(data, said.append, said.append, timeout=900)
    text = b''.join(said).decode(errors='replace')
    check(text.startswith('{'), f'status {status}: {text}')
    return status, json.loads(text)


def start():
    """a guest with a vGPU; programs are recorded"""
    fixture.need_software()
    for name in PROGRAMS:
        recordings[name] = record(name)
    box.start()
    box.attach()
    box.must_run()
    fixture.no_executor()
    base.update(counts.snapshot(box.name))


def same():
    """each is in the guest what it was here"""
    for name in PROGRAMS:
        status, found = replay(recordings[name])
        print(f'    {name}: {found["sent"]} commands, {found["data_compared"]} pieces of data, '
              f'recorded in {found["recorded_ms"]:.0f} ms, played in {found["replayed_ms"]:.0f} ms')
        check(status == 0 and found['sent'] == found['commands'] > 50 and found['stopped'] is None, f'{name}: {found}')
    fixture.no_executor()
    fixture.no_leak(base, box)


def other():
    """a byte of a module that is another one is told of"""
    data = bytearray(recordings['graphs'])
    place = data.find(b'.visible .entry')
    check(place > 0, 'no PTX in the recording')
    data[place + 1] ^= 0x40
    status, found = replay(bytes(data))
    check(status == 1 and found['different_results'] > 0, f'{found}')
    fixture.no_executor()
    fixture.no_leak(base, box)
    box.destroy()


main(start, same, other)
