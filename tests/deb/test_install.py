#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packages in a Debian: installed by apt, with systemd's sysusers, ldconfig and dpkg's diversions at
work; removed and purged again, after which everything is as before."""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from debtest import cases                                           # noqa: E402
from debtest.cases import Skip, check, check_equal                  # noqa: E402
from debtest.machine import BUILD, Machine, Missing, changes, packages  # noqa: E402

PROGRAM = '/usr/local/bin/saxpy'
OURS = '/usr/lib/vgpu/guest/libcuda.so.1'
SYSTEM = '/usr/lib/x86_64-linux-gnu'
HOST = ('vgpu-executor', 'vgpu-host', 'vgpu-soft')
GUEST = ('vgpu-libs', 'vgpu-guest')
LOCAL = ('vgpu-executor', 'vgpu-libs', 'vgpu-local', 'vgpu-soft')


def found():
    """Which libcuda.so.1 a program gets, and what the loader's cache says."""
    cached = [line.split(' => ')[1] for line in machine.run('ldconfig', '-p')[1].splitlines()
              if line.split()[0] == 'libcuda.so.1']
    loaded = machine.loads(PROGRAM, 'libcuda.so.1')
    check_equal('the loader takes the first of its cache', loaded, cached[0] if cached else None)
    # One library by two names where /lib is a link to /usr/lib.
    return f'/usr{loaded}' if loaded and loaded.startswith('/lib') else loaded


def accounts(name):
    return machine.run('getent', name, 'vgpu', check=False)[1].strip()


def guest_installs():
    """vgpu-guest: programs find libcuda.so.1, the group is there, the broker is enabled"""
    check_equal('before', found(), None)
    machine.install(*GUEST)
    check_equal('after', found(), OURS)
    check(accounts('group').startswith('vgpu:'), 'there is no group vgpu')
    check_equal('enabled', machine.run('systemctl', 'is-enabled', 'vgpu-frontd')[1].strip(), 'enabled')
    check_equal('by its other name', machine.path('/usr/lib/vgpu/guest/libcuda.so').resolve().name, 'libcuda.so.1')
    # The library itself answers, not only the loader: there is no device here, and it says so.
    status, text = machine.run(PROGRAM, check=False)
    check(status != 0 and 'CUDA' in text, f'saxpy: status {status}: {text}')


def place_driver(path):
    """A library of that name with another content: the stub that programs are linked against."""
    machine.copy_in(BUILD / 'stub' / 'libcuda.so.1', path)


def gives_way_to_alternatives():
    """a driver as Debian's nvidia packages install it comes first, and ours is back when it goes"""
    real = f'{SYSTEM}/nvidia/current/libcuda.so.1'
    place_driver(real)
    machine.path('/usr/lib/nvidia/current').mkdir(parents=True)
    machine.run('update-alternatives', '--install', '/usr/lib/nvidia/nvidia', 'nvidia',
                '/usr/lib/nvidia/current', '535', '--slave', f'{SYSTEM}/libcuda.so.1',
                'nvidia--libcuda.so.1-x86_64-linux-gnu', real)
    machine.run('ldconfig')
    check_equal('with a driver', found(), f'{SYSTEM}/libcuda.so.1')
    machine.run('update-alternatives', '--remove', 'nvidia', '/usr/lib/nvidia/current')
    shutil.rmtree(machine.path('/usr/lib/nvidia'))
    shutil.rmtree(machine.path(f'{SYSTEM}/nvidia'))
    machine.run('ldconfig')
    check_equal('without it', found(), OURS)


def gives_way_to_files():
    """a driver as NVIDIA's installer or a container brings it comes first"""
    for folder in (SYSTEM, '/usr/lib', '/usr/local/lib', '/usr/lib64'):
        place_driver(f'{folder}/libcuda.so.1')
        machine.run('ldconfig')
        check_equal(f'in {folder}', found(), f'{folder}/libcuda.so.1')
        machine.path(f'{folder}/libcuda.so.1').unlink()
    conf = machine.path('/etc/ld.so.conf.d/nvidia.conf')
    conf.write_text('/opt/nvidia/lib\n', encoding='ascii')
    place_driver('/opt/nvidia/lib/libcuda.so.1')
    machine.run('ldconfig')
    check_equal('in a folder of its own', found(), '/opt/nvidia/lib/libcuda.so.1')
    conf.unlink()
    shutil.rmtree(machine.path('/opt/nvidia'))
    machine.run('ldconfig')
    check_equal('without it', found(), OURS)


def guest_removes():
    """vgpu-guest removed, not purged: programs do not find the library any more"""
    machine.remove('vgpu-guest')
    check(machine.path('/etc/ld.so.conf.d/zz-vgpu.conf').exists(), 'the conffile went without a purge')
    check_equal('after', found(), None)
    machine.install('vgpu-guest')
    check_equal('installed again', found(), OURS)


def guest_purges():
    """vgpu-guest and vgpu-libs purged: nothing is left"""
    purge(*GUEST)


def purge(*names):
    machine.remove(*names, purge=True)
    check_equal('left behind', changes(clean, machine.snapshot()), [])
    check_equal('in the cache', found(), None)
    left = [path.name for path in machine.path('/var/lib/dpkg/info').iterdir() if path.name.startswith('vgpu')]
    check_equal('known to dpkg', left, [])
    check_equal('diversions', machine.run('dpkg-divert', '--list', 'vgpu*')[1], '')


def host_installs():
    """vgpu-host: the executors' user is there, without a shell or home, the service is enabled"""
    machine.install(*HOST)
    user = accounts('passwd').split(':')
    check(len(user) == 7 and 0 < int(user[2]) < 1000 and user[6] == '/usr/sbin/nologin', f'user: {user}')
    check_equal('enabled', machine.run('systemctl', 'is-enabled', 'xen-vgpud')[1].strip(), 'enabled')
    status, text = machine.run('/usr/sbin/xen-vgpud', check=False)
    check(status == 1 and 'xenstore' in text, f'without Xen: status {status}: {text}')
    check_equal('no libcuda.so.1 in dom0', found(), None)


def configuration_stays():
    """what an administrator wrote into the configuration stays when the package comes again"""
    conf = machine.path('/etc/vgpu/xen-vgpud.conf')
    conf.write_text(conf.read_text(encoding='utf-8') + 'max-executors = 7\n', encoding='utf-8')
    machine.run('dpkg', '--force-confold', '-i', f'/debs/{packages()["vgpu-host"].name}')
    check('max-executors = 7' in conf.read_text(encoding='utf-8'), 'it was overwritten')
    machine.remove('vgpu-host')
    check(conf.exists(), 'it went without a purge')


def host_purges():
    """vgpu-host and its parts purged: nothing is left"""
    purge(*HOST)


def local_runs():
    """vgpu-local: a CUDA program runs on the software device, as root and as a user"""
    machine.install(*LOCAL)
    for user in ('root', 'nobody'):
        text = machine.run('setpriv', f'--reuid={user}', '--regid=nogroup', '--clear-groups', 'vgpu-run', '--soft',
                           '--stats', PROGRAM)[1]
        check('PASS saxpy' in text and 'launches=2' in text, f'as {user}: {text}')


def no_loop():
    """an executor on a machine that is a guest too does not take the guest's library for a driver"""
    machine.install('vgpu-guest')
    check_equal('the loader leads to ours', found(), OURS)
    status, text = machine.run('vgpu-run', PROGRAM, check=False)
    check(status != 0 and "leads to the guest's library" in text, f'status {status}: {text}')


def local_purges():
    """vgpu-local, vgpu-guest and their parts purged: nothing is left"""
    purge(*{*LOCAL, 'vgpu-guest'})


def xl_is_diverted():
    """vgpu-xl: ours is xl, Xen's is xl.distrib; removed, Xen's is xl again and nothing is left"""
    if 'vgpu-xl' not in packages():
        raise Skip('this tree has no tools/xl')
    stock = machine.path('/usr/sbin/xl').readlink()
    machine.install(*HOST, 'vgpu-xl')
    check_equal('xl', str(machine.path('/usr/sbin/xl').readlink()), '../libexec/vgpu/xl')
    check_equal('xl.distrib', machine.path('/usr/sbin/xl.distrib').readlink(), stock)
    # Through both to Debian's script, which must be called xl to come so far as to look for Xen.
    status, text = machine.run('xl', 'list', check=False)
    check(status == 1 and 'hypervisor' in text, f'xl list: status {status}: {text}')
    machine.install('vgpu-xl')
    machine.remove('vgpu-xl')
    check_equal('xl after removal', machine.path('/usr/sbin/xl').readlink(), stock)
    check(not machine.path('/usr/sbin/xl.distrib').is_symlink(), 'xl.distrib is still there')
    machine.install('vgpu-xl')
    purge(*HOST, 'vgpu-xl')
    check_equal('xl after the purge', machine.path('/usr/sbin/xl').readlink(), stock)


def units_are_sound():
    """systemd finds no fault with the units, and no more exposure than we know of"""
    machine.install(*HOST, *GUEST)
    for unit, most in (('xen-vgpud', 17), ('vgpu-frontd', 14)):
        path = f'/lib/systemd/system/{unit}.service'
        text = machine.run('systemd-analyze', 'verify', '--man=no', path)[1]
        check_equal(f'systemd-analyze verify {unit}', text, '')
        status, text = machine.run('systemd-analyze', 'security', '--offline=yes', f'--threshold={most}',
                                   '--no-pager', path, check=False)
        check(status == 0, '\n'.join(line for line in text.splitlines() if not line.startswith('✓')))
    purge(*HOST, *GUEST)


try:
    with Machine() as machine:
        machine.copy_in(BUILD / 'programs' / 'saxpy', PROGRAM)
        clean = machine.snapshot()
        status = cases.run([guest_installs, gives_way_to_alternatives, gives_way_to_files, guest_removes,
                            guest_purges, host_installs, configuration_stays, host_purges, local_runs, no_loop,
                            local_purges, xl_is_diverted, units_are_sound])
except Missing as reason:
    print(f'SKIP {reason}')
    status = 77
except subprocess.CalledProcessError as reason:
    sys.exit(f'no machine: {reason}')
sys.exit(status)
