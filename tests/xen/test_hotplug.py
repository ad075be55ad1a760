#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A vGPU comes and goes while the guest runs: attach, detach idle and in use, again and again, two
devices, before and after vgpu-frontd; the counts stay as they were.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture                         # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402

box = fixture.Guest('hotplug')
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


def detach_busy():
    """detach in the middle of a copy: the program ends with an error, nothing is left"""
    box.attach()
    job = box.background()
    box.detach()
    check_equal('status of the program', job.wait(60), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    print('    ' + job.text.splitlines()[-1])
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
    box.must_run()
    listing = client.check('dom0', ['vgpu', 'list', box.name])
    check_in('list', listing, 'vGPU 0')
    check_in('list', listing, 'vGPU 1')
    box.detach(1)
    box.must_run()
    box.detach(0)
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


main(start, attach, detach_idle, detach_busy, again, two_devices, late_frontd)
