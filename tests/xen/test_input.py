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


def refused(*argv, hint=None):
    """A command of dom0 that must fail with a message, and change nothing."""
    before = counts.snapshot(box.name)
    values = counts.xenstore()
    status, out, err = client.output('dom0', ['vgpu', *argv])
    print(f'    dom0# vgpu {" ".join(argv)}\n' + ''.join(f'    {line}\n' for line in
                                                         (out + err).splitlines()[:4]), end='')
    check(status != 0, 'it was accepted')
    check(len(err.strip()) > 10, f'no message: {err!r}')
    for word in (hint if isinstance(hint, tuple) else (hint,)) if hint else ():
        check_in('message', err, word)
    lines = counts.difference(before, counts.snapshot(box.name))
    check(not lines and counts.xenstore() == values, f'something changed: {lines}')


def no_domain():
    """attach to a domain that does not exist"""
    refused('attach', 'nobody-has-this-name', 'gpu=soft', hint='nobody-has-this-name')
    refused('attach', '4711', 'gpu=soft', hint='4711')


def same_number():
    """a second device with the same number"""
    refused('attach', box.name, 'gpu=soft,devid=0', hint='0')


def unknown_key():
    """an unknown key"""
    refused('attach', box.name, 'gpu=soft,devid=1,colour=red', hint='colour')


def bad_values():
    """values out of range or of the wrong form"""
    refused('attach', box.name, 'gpu=soft,devid=1,mem=lots', hint='mem')
    refused('attach', box.name, 'gpu=soft,devid=1,max-lanes=0', hint='max-lanes')
    refused('attach', box.name, 'gpu=soft,devid=1,max-lanes=100000', hint='max-lanes')
    refused('attach', box.name, 'gpu=everything,devid=1', hint='gpu')
    refused('attach', box.name, 'gpu=soft,devid=-1', hint='devid')
    refused('attach', box.name, 'gpu=soft,devid=1,driver=default', hint='soft')


def no_such_device():
    """detach of a device that is not there"""
    refused('detach', box.name, '7', hint='7')
    refused('detach', 'nobody-has-this-name', '0', hint='nobody-has-this-name')


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
    for key, value in (('protocol-version', '4711'), ('ring-ref', '8'), ('event-channel', '9'),
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


main(start, no_domain, same_number, unknown_key, bad_values, no_such_device, not_permitted,
     other_version, works_again)
