#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vgpu-schema-check on the live xenstore, in every state of a device: what is there is what the schema
says. And it finds what is not: otherwise it would say nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, fixture, service                        # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402
from xentest.paths import LIBEXEC                                   # noqa: E402

CHECK = f'{LIBEXEC}/vgpu-schema-check'
box = fixture.Guest('schema')


def node(key):
    return f'/local/domain/0/backend/vgpu/{box.domid}/0/{key}'


def backend_state():
    return client.output('dom0', ['xenstore-read', node('state')])[1].strip()


def schema_check():
    status, out, err = client.output('dom0', [CHECK])
    return status, out + err


def must_hold(backend, frontend):
    """Our device, in these states, without a fault."""
    status, text = schema_check()
    check(status == 0, f'status {status}:\n{text}')
    ours = [line for line in text.splitlines() if line.startswith(f'domain {box.domid} ')]
    check_equal('lines about our device', len(ours), 1)
    check_in('the states', ours[0], f"backend's state {backend}, frontend's {frontend})")
    print(f'    {ours[0]}')


def waiting():
    """attached, nobody in the guest yet: 2 and 1"""
    fixture.need_software()
    box.start()
    box.kill('vgpu-frontd')
    client.check('dom0', ['vgpu', 'attach', box.name, 'gpu=soft,mem=1G,max-lanes=8'])
    must_hold(2, 1)


def connected():
    """connected: 4 and 4, idle and in use"""
    box.start_frontend()
    fixture.until('connected', lambda: backend_state() == '4')
    fixture.until('the frontend at 4', lambda: "frontend's 4)" in schema_check()[1])
    must_hold(4, 4)
    job = box.background()
    must_hold(4, 4)
    job.signal(9)


def finds_faults():
    """a value out of range, an unknown node, a missing one, wrong permissions: each is named"""
    faults = [
        (['xenstore-write', node('max-lanes'), '257'], ['xenstore-write', node('max-lanes'), '8'],
         'max-lanes=257 is not valid'),
        (['xenstore-write', node('colour'), 'red'], ['xenstore-rm', node('colour')],
         'colour: no such key in the schema'),
        (['xenstore-rm', node('gpu')], ['xenstore-write', node('gpu'), 'soft'], 'gpu: missing'),
        (['xenstore-chmod', node('mem'), 'n0', f'w{box.domid}'],
         ['xenstore-chmod', node('mem'), 'n0', f'r{box.domid}'], 'mem: permissions are'),
    ]
    for break_it, mend_it, says in faults:
        client.check('dom0', break_it)
        status, text = schema_check()
        client.check('dom0', mend_it)
        check_equal(f'status after {" ".join(break_it)}', status, 1)
        check_in('what it says', text, says)
    must_hold(4, 4)


def backend_stopped():
    """xen-vgpud stopped in order: 6, and the frontend waits; connected again when it is back"""
    fixture.kill('dom0', 'xen-vgpud', 15)
    fixture.until('the frontend at 1', lambda: "frontend's 1)" in schema_check()[1])
    must_hold(6, 1)
    service.start_backend()
    fixture.until('connected', lambda: backend_state() == '4')
    box.must_run()


def refused():
    """a device with a bad setting: closed, and its error is in both places"""
    box.detach()
    client.check('dom0', ['vgpu', 'attach', box.name, 'gpu=soft'])
    fixture.until('connected', lambda: backend_state() == '4')
    box.kill('vgpu-frontd')
    fixture.until('closed', lambda: backend_state() == '6')
    client.check('dom0', ['xenstore-write', node('colour'), 'red'])
    client.check('dom0', ['xenstore-write', node('state'), '1'])
    client.check('dom0', ['xenstore-write', f'/local/domain/{box.domid}/device/vgpu/0/state', '1'])
    fixture.until('refused', lambda: client.output('dom0', ['xenstore-read', node('error')])[0] == 0)
    check_in('error', client.check('dom0', ['xenstore-read', node('error')]), 'colour')
    client.check('dom0', ['xenstore-rm', node('colour')])
    must_hold(6, 1)


def detached():
    """detached: nothing is left to check"""
    box.detach()
    status, text = schema_check()
    check_equal('status', status, 0)
    check(f'domain {box.domid} ' not in text, f'still there: {text}')
    box.destroy()


main(waiting, connected, finds_faults, backend_stopped, refused, detached)
