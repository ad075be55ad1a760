#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input, each with a clear message that says what to do, and nothing changed by it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture                         # noqa: E402
from xentest.cases import check, check_in, main                     # noqa: E402

box = fixture.Guest('input')


def start():
    """a guest with a vGPU works"""
    fixture.need_software()
    box.start()
    box.attach()
    box.must_run('saxpy')
    fixture.no_executor()


def refused(*commands):
    """Commands of dom0, each with words that its message must have. They must fail and change nothing."""
    before = counts.snapshot(box.name)
    values = counts.xenstore()
    for argv, *hints in commands:
        status, out, err = client.output('dom0', ['vgpu', *argv.split()])
        print(f'    dom0# vgpu {argv}\n' + ''.join(f'    {line}\n' for line in
                                                   (out + err).splitlines()[:4]), end='', flush=True)
        check(status != 0, f'{argv}: it was accepted')
        check(len(err.strip()) > 10, f'{argv}: no message: {err!r}')
        for hint in hints:
            check_in('message', err, hint)
    lines = counts.difference(before, counts.snapshot(box.name))
    check(not lines and counts.xenstore() == values, f'something changed: {lines}')


def no_domain():
    """attach to a domain that does not exist"""
    refused(('attach nobody-has-this-name gpu=soft', 'nobody-has-this-name'),
            ('attach 4711 gpu=soft', '4711'))


def same_number():
    """a second device with the same number"""
    refused((f'attach {box.name} gpu=soft,devid=0', '0'))


def bad_settings():
    """an unknown key, values out of range or of the wrong form"""
    attach = f'attach {box.name} gpu=soft,devid=1'
    refused((f'{attach},colour=red', 'colour'),
            (f'{attach},mem=lots', 'mem'),
            (f'{attach},max-lanes=0', 'max-lanes'),
            (f'{attach},max-lanes=100000', 'max-lanes'),
            (f'attach {box.name} gpu=everything,devid=1', 'gpu'),
            (f'attach {box.name} gpu=soft,devid=-1', 'devid'),
            (f'{attach},driver=default', 'soft'))


def no_such_device():
    """detach of a device that is not there"""
    refused((f'detach {box.name} 7', '7'),
            ('detach nobody-has-this-name 0', 'nobody-has-this-name'))


def not_permitted():
    """a program of a user who may not"""
    before = counts.snapshot(box.name)
    status, text = box.run('steady', '2', user='other')
    print(''.join(f'    {line}\n' for line in text.splitlines()), end='')
    check(status == 1, f'status {status}')
    check_in('message', text, 'group')
    fixture.no_leak(before, box)
    box.must_run()


def other_version():
    """a frontend of another protocol version"""
    box.detach()
    box.kill('vgpu-frontd')
    before = counts.snapshot(box.name)
    client.check('dom0', ['vgpu', 'attach', '--no-wait', box.name, 'gpu=soft'])
    front = f'/local/domain/{box.domid}/device/vgpu/0'
    back = f'/local/domain/0/backend/vgpu/{box.domid}/0'
    fixture.until('the backend waits', lambda: read(f'{back}/state') == '2')
    for key, value in (('protocol', '4711'), ('ring-ref', '8'), ('event-channel', '9'),
                       ('state', '3')):
        client.check('dom0', ['xenstore-write', f'{front}/{key}', value])
    fixture.until('the backend has refused it', lambda: read(f'{back}/state') in ('5', '6'))
    listing = client.check('dom0', ['vgpu', 'list', box.name])
    print(''.join(f'    {line}\n' for line in listing.splitlines()), end='')
    check_in('vgpu list', listing, 'version')
    check_in('vgpu list', listing, '4711')
    client.check('dom0', ['vgpu', 'detach', '--force', box.name, '0'])
    fixture.no_leak(before, box)


def works_again():
    """after all that the guest gets a device again"""
    box.start_frontend()
    box.attach()
    box.must_run()
    box.destroy()


def read(path):
    return client.output('dom0', ['xenstore-read', path])[1].strip()


main(start, no_domain, same_number, bad_settings, no_such_device, not_permitted, other_version,
     works_again)
