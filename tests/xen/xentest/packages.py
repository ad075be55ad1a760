# SPDX-License-Identifier: MIT
"""Debian packages that the test machine is made of: fetched and unpacked, never installed."""

import shutil
import subprocess

from .paths import DEBS, TREE, XenTestError

PACKAGES = '''
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils libxenmisc4.17 libxenstore4 libxengnttab1
    libxenevtchn1 libxenforeignmemory1 libxencall1 libxendevicemodel1 libxentoollog1 libxentoolcore1
    libxenhypfs1 libyajl2 libuuid1
'''.split()


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        raise XenTestError(f'{" ".join(command[:4])} ... failed: {done.stderr.strip()[-600:]}')
    return done.stdout


def kernel_package():
    for line in run('apt-cache', 'depends', 'linux-image-amd64').splitlines():
        word, _, name = line.strip().partition('Depends: ')
        if not word and name.startswith('linux-image-'):
            return name
    raise XenTestError('apt knows no linux-image-amd64: this needs Debian 12 and `apt-get update`')


def fetch():
    """The packages in DEBS, unpacked in TREE. Once there, they are kept: no network is needed."""
    stamp = TREE / '.unpacked'
    wanted = ' '.join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    DEBS.mkdir(parents=True, exist_ok=True)
    print('fetching and unpacking Xen and the kernel', flush=True)
    have = {deb.name.partition('_')[0] for deb in DEBS.glob('*.deb')}
    kernels = [name for name in have if name.startswith('linux-image-')]
    missing = [name for name in PACKAGES if name not in have]
    if not kernels:
        missing.append(kernel_package())
    if missing:
        run('apt-get', '-qq', 'download', *missing, cwd=DEBS)
    fresh = TREE.with_suffix('.new')
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for deb in sorted(DEBS.glob('*.deb')):
        run('dpkg', '-x', str(deb), str(fresh))
    version = kernel_version(fresh)
    run('depmod', '-b', str(fresh), version)
    (fresh / stamp.name).write_text(wanted)
    shutil.rmtree(TREE, ignore_errors=True)
    fresh.rename(TREE)


def kernel_version(tree=TREE):
    versions = sorted(path.name for path in (tree / 'lib/modules').iterdir())
    if not versions:
        raise XenTestError(f'no kernel in {tree}')
    return versions[-1]


def modules(names):
    """The files of the kernel modules and of those that they need, in the order of loading."""
    order = []
    for name in names:
        lines = run('modprobe', '-d', str(TREE), '-S', kernel_version(), '--show-depends', name)
        for line in lines.splitlines():
            word, _, path = line.strip().partition(' ')
            if word == 'insmod' and path.strip() not in order:
                order.append(path.strip())
    return order
