# SPDX-License-Identifier: MIT
"""The shared libraries that a program needs, as the loader itself finds them."""

import os
import re
import subprocess

from .paths import LIBDIR, TREE, XenTestError

LOADER = '/lib64/ld-linux-x86-64.so.2'
FOUND = re.compile(r'^\s*(\S+) => (/\S+) \(0x')
MISSING = re.compile(r'^\s*(\S+) => not found')


def is_elf(path):
    with open(path, 'rb') as file:
        return file.read(4) == b'\x7fELF'


def is_dynamic(path):
    """Whether the loader has work to do: `ldd` would refuse a static program."""
    check = subprocess.run([LOADER, '--verify', str(path)], capture_output=True, check=False)
    return check.returncode in (0, 2)


def closure(paths, search=(), optional=()):
    """{soname: file} of all libraries that the ELF files among `paths` need.

    `search` comes before the system's folders; names in `optional` may be missing.
    """
    folders = [str(folder) for folder in search] + [str(TREE / LIBDIR)]
    env = dict(os.environ, LD_LIBRARY_PATH=':'.join(folders))
    env.pop('LD_PRELOAD', None)
    found = {}
    for path in paths:
        if not is_elf(path) or not is_dynamic(path):
            continue
        # The loader is called as such, since `ldd` is a shell script that starts it three times.
        listing = subprocess.run([LOADER, '--list', str(path)], env=env, text=True, check=False,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in listing.stdout.splitlines():
            match, missing = FOUND.match(line), MISSING.match(line)
            if missing and missing[1] not in optional:
                raise XenTestError(f'{path} needs {missing[1]}, which is not on this machine')
            if match and not match[1].startswith('/'):
                found.setdefault(match[1], match[2])
    return found
