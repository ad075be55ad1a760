# SPDX-License-Identifier: MIT
"""What dom0 sees as /stage: our software as its packages install it, and its libraries; and the same for
guests. What the packages' scripts do besides is stage-link's, or done where a guest is made."""

import os
import shutil
import subprocess
from pathlib import Path

from . import client, elf
from .paths import BUILD, GUEST_STAGE, OUR_DEBS, ROOT, STAGE, XenTestError

TREE = STAGE / 'root'
LIBS = STAGE / 'lib'
DOM0_PACKAGES = ('vgpu-executor', 'vgpu-host', 'vgpu-soft', 'vgpu-xl')
GUEST_PACKAGES = ('vgpu-libs', 'vgpu-guest')


def make_packages():
    """`make deb-current`, with the configuration that VGPU_BUILD names."""
    env = {name: value for name, value in os.environ.items()
           if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES')}
    # As the Makefile itself names it: another name of the same folder has other dependencies.
    out = BUILD.parent.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD.parent
    config, _, compiler = BUILD.name.partition('-')
    done = subprocess.run(['make', '-s', '-C', str(ROOT), 'deb-current', f'O={out}', f'CONFIG={config}',
                           *([f'CC={compiler}'] if compiler else [])],
                          env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        raise XenTestError(f'make deb failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}')


def install():
    """The packages, unpacked: those of dom0 into its stage, those of a guest for guest.py."""
    make_packages()
    unpack(DOM0_PACKAGES, TREE)
    unpack(GUEST_PACKAGES, GUEST_STAGE)


def unpack(names, tree):
    """Brings a tree to what the packages hold, documents left out; what is the same stays untouched."""
    fresh = tree.with_name(f'{tree.name}.new')
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name in names:
        for deb in OUR_DEBS.glob(f'{name}_*.deb'):
            subprocess.run(['dpkg-deb', '-x', str(deb), str(fresh)], check=True)
    shutil.rmtree(fresh / 'usr/share/doc')
    for source in sorted(files(fresh)):
        place(source, tree / source.relative_to(fresh))
    for old in files(tree):
        if not os.path.lexists(fresh / old.relative_to(tree)):
            old.unlink()
    shutil.rmtree(fresh)


def files(tree):
    """All that is no folder."""
    return [path for path in tree.rglob('*') if path.is_symlink() or not path.is_dir()]


def place(source, target):
    """Copies a file, or a link as such, unless it is there already; by renaming, since dom0 may have it in
    use."""
    if os.path.lexists(target) and source.is_symlink() == target.is_symlink():
        if source.is_symlink() and source.readlink() == target.readlink():
            return
        if not source.is_symlink() and target.stat().st_size == source.stat().st_size \
                and target.read_bytes() == source.read_bytes():
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + '.new')
    shutil.copy2(source, fresh, follow_symlinks=False)
    fresh.replace(target)


def programs():
    """The ELF files that dom0 has of us."""
    return [path for path in sorted(files(TREE)) if path.is_file() and elf.is_elf(path)]


def sync():
    """Brings the stage up to date, in the running dom0 too. XENHOST_STAGE=keep: leaves it as it is."""
    if os.environ.get('XENHOST_STAGE') != 'keep' or not TREE.exists():
        install()
    for name, file in elf.closure(programs(), (BUILD / 'lib',), ('libcuda.so.1',)).items():
        place(Path(file).resolve(), LIBS / name)
    if client.running():
        client.check('dom0', ['stage-link'])


def find(name):
    """A program or library of dom0's packages by its name, or None."""
    found = [path for path in files(TREE) if path.name == name] if TREE.exists() else []
    return found[0] if found else None


def need(name):
    path = find(name)
    if not path:
        raise XenTestError(f'{name} is not built: no package brought it')
    return path
