#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A domain other than dom0 has the device and serves it: xen-vgpud and its executors run in a guest, for
another guest. Programs work, devices come and go, either domain dies, and nothing is left.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, guest, service         # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402
from xentest.paths import LIBEXEC                                   # noqa: E402

DRIVER = 'gpudom'
SPEC = f'gpu=soft,backend={DRIVER}'
box = fixture.Guest('served', memory=320)
base = {}
driver = {}


def dom0(*argv, timeout=120):
    return client.output('dom0', argv, timeout=timeout)


def show(*texts):
    print(''.join(f'    {line}\n' for text in texts for line in text.splitlines()), end='')


def make_driver():
    """The driver domain, with xen-vgpud running."""
    contents = guest.Contents()
    guest.add_backend(contents)
    driver['domid'] = guest.create(DRIVER, memory=832, contents=contents)
    service.start_backend(target=DRIVER)


def served():
    """The nodes of devices that the driver domain serves."""
    return [path for path in counts.xenstore() if f"/domain/{driver['domid']}/backend/vgpu" in path]


def executors():
    return service.pids(DRIVER, 'vgpu-executor')


def schema():
    status, out, err = dom0(f'{LIBEXEC}/vgpu-schema-check')
    check(status == 0, f'the schema: {out}{err}')
    return out


def nothing_left():
    """As before the first device, in both domains and in dom0."""
    fixture.until('no executor in the driver domain', lambda: not executors())
    fixture.until('its directory is gone', lambda: not served())
    fixture.no_leak(base, box)


def start():
    """a driver domain with xen-vgpud in it, and a guest"""
    fixture.need_software()
    for name in (DRIVER, box.name):
        if guest.exists(name):
            guest.destroy(name)
    make_driver()
    box.start()
    base.update(counts.snapshot(box.name))
    text = client.check(DRIVER, ['cat', service.BACKEND_LOG])
    check_in('its log', text, f"event=started domain={driver['domid']} ")


def attach():
    """attach with backend=: programs work, their executors are in the driver domain and not in dom0"""
    box.attach(SPEC)
    job = box.background()
    check_equal("dom0's executors", service.pids('dom0', 'vgpu-executor'), [])
    check_equal("the driver domain's executors", len(executors()), 1)
    listing = client.check('dom0', ['vgpu', 'list', box.name])
    show(listing)
    check_in('vgpu list in dom0', listing, f"backend={driver['domid']}")
    listing = client.check(DRIVER, ['vgpu', 'list'])
    show(listing)
    check_in('vgpu list in the driver domain', listing, 'steady')
    brief = client.check('dom0', ['vgpu', 'list', '--brief'])
    check_in('vgpu list --brief', brief, f"/local/domain/{driver['domid']}/backend/vgpu/")
    show(schema())
    job.signal(9)
    box.must_run('saxpy')


def detach_busy():
    """detach in the middle of a copy: the program ends with an error, nothing is left"""
    job = box.background()
    box.detach()
    check_equal('status of the program', job.wait(60), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    nothing_left()


def both():
    """two devices of one guest, one served by dom0, the other by the driver domain"""
    box.attach('gpu=soft')
    box.attach(f'{SPEC},devid=1')
    for devid, where in (('0', 'dom0'), ('1', DRIVER)):
        status, text = box.run('steady', '2', env={'VGPU_DEVICE': devid})
        check(status == 0, f'device {devid}, served by {where}: {text}\n{fixture.logs(box)}')
    listing = json.loads(client.check('dom0', ['vgpu', 'list', '--json', box.name]))
    check_equal('backends', [device['backend'] for device in listing['devices']],
                [0, driver['domid']])
    schema()
    box.detach(0)
    box.detach(1)
    nothing_left()


def mistakes():
    """mistakes: no such domain, the guest itself; a driver domain where nobody serves"""
    for spec, says in (('backend=nobody', 'backend=nobody: there is no such domain'),
                       (f'backend={box.name}', 'would serve itself'),
                       ('backend=a/b', 'backend=a/b is not valid')):
        status, _, err = dom0('vgpu', 'attach', box.name, f'gpu=soft,{spec}')
        check(status == 1, f'{spec}: status {status}')
        check_in(spec, err, says)
        show(err)
    fixture.kill(DRIVER, 'xen-vgpud', 15)
    status, _, err = dom0('vgpu', 'attach', box.name, SPEC)
    check(status == 1, f'nobody serves: status {status}')
    check_in('nobody serves', err, 'did not pick the device up')
    show(err)
    service.start_backend(target=DRIVER)
    nothing_left()


def daemon_killed():
    """kill -9 of the driver domain's xen-vgpud under a running program: the next one takes it over"""
    box.attach(SPEC)
    job = box.background()
    fixture.kill(DRIVER, 'xen-vgpud')
    service.start_backend(target=DRIVER)
    before = job.text.count('round')
    fixture.until('the program goes on', lambda: job.text.count('round') > before + 2)
    job.signal(9)
    box.must_run()
    box.detach()
    nothing_left()


def create_and_destroy():
    """xl create with the key; xl destroy in mid-copy: the driver domain lets go of the guest"""
    box.destroy()
    fixture.gone(box)
    before = counts.snapshot()
    box.start_with([f"vgpu = [ '{SPEC}' ]"])
    fixture.until('vgpu-frontd runs', lambda: service.pids(box.name, 'vgpu-frontd'))
    box.must_run()
    box.background()
    check_equal("the driver domain's executors", len(executors()), 1)
    box.destroy()
    fixture.gone(box)
    fixture.until('no executor in the driver domain', lambda: not executors())
    fixture.until('its directory is gone', lambda: not served())
    fixture.no_leak(before)


def driver_dies():
    """the driver domain is destroyed under a running program: it ends with an error, the guest goes on"""
    box.start()
    box.attach(SPEC)
    job = box.background()
    guest.destroy(DRIVER)
    check_equal('status of the program', job.wait(120), 3)
    check_in('what the program was told', job.text, 'ended: cu')
    show(job.text.splitlines()[-1])
    status, text = box.run('steady', '2')
    check(status == 1, f'a program after that: status {status}: {text}')
    box.detach()
    box.attach('gpu=soft')
    box.must_run()
    box.detach()
    check_equal('nodes', [path for path in counts.xenstore() if f'/{box.domid}/' in path], [])
    box.destroy()
    fixture.gone(box)


main(start, attach, detach_busy, both, mistakes, daemon_killed, create_and_destroy, driver_dies)
