# SPDX-License-Identifier: MIT
"""What dom0 sees as /stage: our software as `make install` lays it out, and its libraries."""

import os
import shutil
import subprocess
from pathlib import Path

from . import client, elf
from .paths import BUILD, ROOT, STAGE, XenTestError

TREE = STAGE / 'root'
LIBS = STAGE / 'lib'
PREFIX = Path('usr/local')


def install():
    """`make install` into the stage, with the configuration that VGPU_BUILD names."""
    env = {name: value for name, value in os.environ.items()
           if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES')}
    fresh = TREE.with_name('root.new')
    shutil.rmtree(fresh, ignore_errors=True)
    # As the Makefile itself names it: another name of the same folder has other dependencies.
    out = BUILD.parent.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD.parent
    config, _, compiler = BUILD.name.partition('-')
    done = subprocess.run(['make', '-s', '-C', str(ROOT), 'install', f'DESTDIR={fresh}', f'O={out}',
                           f'PREFIX=/{PREFIX}', f'CONFIG={config}',
                           *([f'CC={compiler}'] if compiler else [])],
                          env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        raise XenTestError(f'make install failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}')
    for source in sorted(path for path in fresh.rglob('*') if path.is_file()):
        place(source, TREE / source.relative_to(fresh))
    for old in sorted(path for path in TREE.rglob('*') if path.is_file()):
        if not (fresh / old.relative_to(TREE)).exists():
            old.unlink()
    shutil.rmtree(fresh)


def place(source, target):
    """Copies a file unless it is there already; by renaming, since dom0 may have it in use."""
    if target.exists() and target.stat().st_size == source.stat().st_size \
            and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + '.new')
    shutil.copy2(source, fresh)
    fresh.replace(target)


def programs():
    """The ELF files that were installed."""
    return [path for path in sorted(TREE.rglob('*')) if path.is_file() and elf.is_elf(path)]


def sync():
    """Brings the stage up to date, in the running dom0 too. XENHOST_STAGE=keep: leaves it as it is."""
    if os.environ.get('XENHOST_STAGE') != 'keep' or not TREE.exists():
        install()
    for name, file in elf.closure(programs(), (BUILD / 'lib',), ('libcuda.so.1',)).items():
        place(Path(file), LIBS / name)
    if client.running():
        client.check('dom0', ['stage-link'])


def find(name):
    """An installed file by its name, or None."""
    found = sorted(TREE.rglob(name)) if TREE.exists() else []
    return found[0] if found else None


def need(name):
    path = find(name)
    if not path:
        raise XenTestError(f'{name} is not built: `make install` did not bring it')
    return path
