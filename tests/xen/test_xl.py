#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The key `vgpu` in a guest's configuration, through xl's wrapper: the device works before anything
else is done in the guest, mistakes make no domain, a guest that reboots has it again, save is refused;
xl vgpu-attach, -detach, -list. dom0's xl is diverted as a Debian package does it.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, guest, service         # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402

LIBEXEC = '/usr/libexec/vgpu'
REAL = '/usr/lib/xen-4.17/bin/xl'
# As Debian has it: /usr/sbin/xl is a link to a script that runs the program of its own name.
DIVERT = f'''
mkdir -p {LIBEXEC}/distrib /usr/lib/xen-4.17/bin
[ -e {REAL} ] || {{
    mv /usr/sbin/xl.distrib {REAL}      # where the stage has put it
    ln -sf /usr/sbin/libxl-save-helper /usr/lib/xen-4.17/bin/libxl-save-helper
}}
printf '#!/bin/sh\\nexec "/usr/lib/xen-4.17/bin/${{0##*/}}" "$@"\\n' >/usr/sbin/xen-utils-wrapper
chmod 755 /usr/sbin/xen-utils-wrapper
ln -sf xen-utils-wrapper /usr/sbin/xl.distrib
ln -sf /usr/sbin/xl.distrib {LIBEXEC}/distrib/xl
ln -sf {LIBEXEC}/xl /usr/sbin/xl
'''
STOCK = f'ln -sf {REAL} /usr/sbin/xl; rm -f /usr/sbin/xl.distrib'

box = fixture.Guest('xl', memory=256)
base = {}


def dom0(*argv, timeout=60):
    return client.output('dom0', argv, timeout=timeout)


def must(*argv, timeout=60):
    return client.check('dom0', argv, timeout=timeout)


def show(*texts):
    print(''.join(f'    {line}\n' for text in texts for line in text.splitlines()), end='')


def config(lines):
    """A configuration in dom0 of a guest that is never started."""
    guest.prepare('xl-never', lines=lines)
    must('sh', '-c', 'mv /share/xl-never.c* /tmp; cp /share/vmlinux /tmp 2>/dev/null; rm -f /tmp/xl-never.cpio')
    return '/tmp/xl-never.cfg'


def divert():
    """the distribution's xl, diverted: the wrapper says the same for a guest without the key"""
    fixture.need_software()
    if guest.exists(box.name):
        guest.destroy(box.name)
    must('sh', '-c', DIVERT)
    base.update(counts.snapshot())
    file = config(['uuid = "5b4be4a2-7a0b-4c0e-8a53-2f6f7a2f5a4e"'])     # not a new one each time
    for argv in (['list'], ['create', '-n', file], ['info'], ['help', 'create'], ['nonsense'],
                 ['domid', 'nobody'], ['create', '/nowhere']):
        plain, wrapped = dom0(REAL, *argv), dom0('xl', *argv)
        if argv == ['list']:        # domain 0 has used the processor meanwhile
            plain, wrapped = [(out[0], [line[:50] for line in out[1].splitlines()], out[2])
                              for out in (plain, wrapped)]
        check_equal(f'xl {" ".join(argv)}', wrapped, plain)
    check_equal('xl', must('readlink', '-f', '/usr/sbin/xl').strip().split('/')[-3:],
                ['libexec', 'vgpu', 'xl'])


def help_texts():
    """xl help has our commands, xl help vgpu-attach says how"""
    text = must('xl', 'help')
    for name in ('vgpu-attach', 'vgpu-detach', 'vgpu-list', 'block-attach'):
        check_in('xl help', text, f' {name} ')
    check_in('xl help vgpu-attach', must('xl', 'help', 'vgpu-attach'), 'Usage: xl')


def mistakes():
    """mistakes in the key: each with a message, no domain, xl create -n too"""
    nodes = counts.xenstore()
    for value, says in ((["'gpu=soft,mem=lots'"], 'mem=lots is not valid: mem is bytes'),
                        (["'gpu=soft'", "'colour=red'"], 'unknown setting `colour`'),
                        (["'gpu=everything'"], 'gpu=everything is not valid'),
                        (["'gpu=soft,devid=1'", "'gpu=soft,devid=1'"], 'devid=1 is given to two'),
                        (["'gpu=soft,backend=gpudom'"], 'backend=gpudom: there is no such domain'),
                        (["'gpu=soft,max-sessions=65'"], 'max-sessions=65 is not valid'),
                        (["[ 'gpu=soft' ]"], 'entry 1 is no string')):
        refused([f'vgpu = [ {", ".join(value)} ]'], says)
    refused(["vgpu = 'gpu=soft'"], 'it must be a list', ('-n',))
    refused(["vgpu = [ 'mem=lots' ]"], 'mem=lots', ('-n',))
    check_equal('domains', sorted(counts.domains()), ['Domain-0'])
    check_equal('nodes', counts.xenstore(), nodes)


def refused(lines, says, options=()):
    status, out, err = dom0('xl', 'create', *options, config(lines))
    check(status != 0, f'{lines}: it was accepted')
    check_in(str(lines), err, says)
    check_equal(f'output for {lines}', out, '')
    show(err)


def no_daemon():
    """xen-vgpud does not run: a message, no domain; guests without the key are not concerned"""
    fixture.kill('dom0', 'xen-vgpud', 15)
    status, _, err = dom0('xl', 'create', config(["vgpu = [ 'gpu=soft' ]"]))
    show(err)
    check(status != 0, 'it was accepted')
    check_in('message', err, 'xen-vgpud does not answer')
    check_equal('domains', sorted(counts.domains()), ['Domain-0'])
    check_equal('xl create -n', dom0('xl', 'create', '-n', config(()))[0], 0)
    service.start_backend()


def create():
    """xl create with the key: the first thing in the guest is a program that uses the device"""
    before = time.monotonic()
    box.start_with(["vgpu = [ 'gpu=soft, mem=1G', 'gpu=soft,devid=3' ]", 'on_reboot = "restart"'],
                   keep=True)
    print(f'    up after {time.monotonic() - before:.0f} s')
    fixture.until('vgpu-frontd runs', lambda: service.pids(box.name, 'vgpu-frontd'))
    box.must_run('saxpy')
    check_equal('mem', must('xenstore-read', node(0, 'mem')).strip(), str(1 << 30))
    check_equal('devices', devices(), [0, 3])
    text = must(f'{LIBEXEC}/vgpu-schema-check')
    show(text)


def node(devid, key):
    return f'/local/domain/0/backend/vgpu/{box.domid}/{devid}/{key}'


def devices():
    listing = json.loads(must('xl', 'vgpu-list', '--json', box.name))
    return [device['devid'] for device in listing['devices']]


def commands():
    """xl vgpu-attach, vgpu-list, vgpu-detach; what goes wrong has a message and a status"""
    check_equal('xl vgpu-attach', dom0('xl', 'vgpu-attach', box.name, 'gpu=soft', 'max-lanes=8'),
                (0, '', ''))
    check_equal('devices', devices(), [0, 1, 3])
    check_equal('max-lanes', must('xenstore-read', node(1, 'max-lanes')).strip(), '8')
    text = must('xl', 'vgpu-list', box.name)
    show(text)
    lines = text.splitlines()
    check_equal('lines', len(lines), 4)
    check_equal('columns', lines[2].split()[:3], [str(box.domid), '1', '0'])
    check_in('path', lines[2], f'/local/domain/0/backend/vgpu/{box.domid}/1')
    dry = json.loads(must('xl', '-N', 'vgpu-attach', box.name, 'gpu=soft'))
    check_equal('dry run', (dry['gpu'], devices()), ('soft', [0, 1, 3]))
    check_equal('xl vgpu-detach', dom0('xl', 'vgpu-detach', box.name, '3'), (0, '', ''))
    check_equal('devices', devices(), [0, 1])
    for argv, status, says in ((['vgpu-attach', box.name, 'mem=lots'], 1, 'mem=lots'),
                               (['vgpu-attach', 'nobody', 'gpu=0'], 1, 'nobody'),
                               (['vgpu-detach', box.name, '9'], 1, '9'),
                               (['vgpu-detach', box.name], 2, 'requires at least 2'),
                               (['vgpu-list', 'nobody'], 1, 'nobody')):
        have, out, err = dom0('xl', *argv)
        check_equal(f'status of xl {" ".join(argv)}', have, status)
        check_in(f'xl {" ".join(argv)}', err + out, says)
    box.must_run()


def save_refused():
    """xl save and migrate of a guest with a vGPU: refused, nothing happens to file or guest"""
    must('sh', '-c', 'echo precious >/tmp/save')
    for argv in (['save', box.name, '/tmp/save'], ['migrate', box.name, 'nowhere']):
        status, out, err = dom0('xl', *argv)
        check_equal(f'xl {argv[0]}', (status, out), (1, ''))
        check_in(f'xl {argv[0]}', err, 'detach them first')
    show(err)
    check_equal('the file', must('cat', '/tmp/save'), 'precious\n')
    box.must_run()


def reboot():
    """the guest reboots itself: it has the vGPUs again that it had, and they work"""
    old = box.domid
    fixture.no_executor()
    client.output(box.name, ['sh', '-c', 'sleep 1; reboot -f &'], timeout=30)
    fixture.until('xl has made it anew', lambda: guest.exists(box.name)
                  and guest.domain(box.name) != old, 120)
    box.domid = guest.link(box.name)
    print(f'    domain {old} is domain {box.domid} now')
    check_equal('devices', devices(), [0, 1])
    fixture.until('vgpu-frontd runs', lambda: service.pids(box.name, 'vgpu-frontd'))
    box.must_run('saxpy')
    check_equal('mem', must('xenstore-read', node(0, 'mem')).strip(), str(1 << 30))
    check_equal('max-lanes', must('xenstore-read', node(1, 'max-lanes')).strip(), '8')
    trees = (f'/local/domain/{old}/', f'/libxl/{old}/', f'/local/domain/0/backend/vgpu/{old}/')
    left = [path for path in counts.xenstore() if path.startswith(trees)]
    check_equal('nodes of the old domain', left, [])


def config_update():
    """xl config-update: checked at once, and what the guest has after its next reboot"""
    file = f'/tmp/{box.name}.cfg'
    must('sh', '-c', f"sed \"s/^vgpu.*/vgpu = [ 'gpu=soft,max-lanes=5' ]/\" {file} >{file}.new")
    must('sh', '-c', f"sed \"s/^vgpu.*/vgpu = [ 'gpu=nonsense' ]/\" {file} >{file}.bad")
    status, _, err = dom0('xl', 'config-update', box.name, f'{file}.bad')
    check(status != 0, 'a mistake was accepted')
    check_in('message', err, 'gpu=nonsense is not valid')
    must('xl', 'config-update', box.name, f'{file}.new')
    old = box.domid
    fixture.no_executor()
    client.output(box.name, ['sh', '-c', 'sleep 1; reboot -f &'], timeout=30)
    fixture.until('xl has made it anew', lambda: guest.exists(box.name)
                  and guest.domain(box.name) != old, 120)
    box.domid = guest.link(box.name)
    check_equal('devices', devices(), [0])
    check_equal('max-lanes', must('xenstore-read', node(0, 'max-lanes')).strip(), '5')
    fixture.until('vgpu-frontd runs', lambda: service.pids(box.name, 'vgpu-frontd'))
    box.must_run()


def save_restore():
    """detached, saved, restored with the configuration: it has its vGPU again"""
    fixture.no_executor()
    for devid in devices():
        must('xl', 'vgpu-detach', box.name, str(devid))
    must('rm', '-f', '/tmp/save')
    show(dom0('xl', 'save', box.name, '/tmp/save', timeout=300)[2][-300:])
    fixture.until('it has gone', lambda: not guest.exists(box.name))
    status, _, err = dom0('xl', 'restore', f'/tmp/{box.name}.cfg', '/tmp/save', timeout=300)
    must('rm', '-f', '/tmp/save')
    check_equal('xl restore', (status, err[-300:] if status else ''), (0, ''))
    box.domid = guest.link(box.name)
    check_equal('devices', devices(), [0, 3])
    fixture.until('a program works', lambda: box.run('steady', '2')[0] == 0, 120)


def destroy():
    """xl destroy: the counts are as before the guest was made"""
    fixture.no_executor()
    box.destroy()
    fixture.no_leak(base)
    must('sh', '-c', f'rm -f /tmp/{box.name}.*')
    fixture.until("xl's monitor has ended", lambda: not service.pids('dom0', 'xl'))


def pvh():
    """a PVH guest with the key"""
    other = fixture.Guest('xl-pvh', 'pvh', memory=256)
    other.start_with(["vgpu = [ 'gpu=soft' ]"])
    fixture.until('vgpu-frontd runs', lambda: service.pids(other.name, 'vgpu-frontd'))
    other.must_run('saxpy')
    fixture.no_executor()
    other.destroy()
    fixture.no_leak(base)


def restored():
    """the diversion undone: stock xl, which ignores the key"""
    must('sh', '-c', STOCK)
    try:
        check_equal('create -n', dom0('xl', 'create', '-n', config(["vgpu = [ 'colour=red' ]"]))[0], 0)
    finally:
        must('sh', '-c', DIVERT)        # for the tests that come after in the same system


main(divert, help_texts, mistakes, no_daemon, create, commands, save_refused, reboot, config_update,
     save_restore, destroy, pvh, restored)
