# SPDX-License-Identifier: MIT
"""Programs and modules in dom0 for benchmarks, and what programs say."""

from pathlib import Path

from xentest import client, elf, guest, packages
from xentest.paths import LIBDIR, LIBEXEC

FOLDER = '/tmp/bench'
ENV = {'LD_LIBRARY_PATH': FOLDER}


def values(text):
    """name=value lines as a dictionary of numbers."""
    pairs = [line.split('=', 1) for line in text.splitlines() if '=' in line and ' ' not in line]
    return {name: float(value) for name, value in pairs}


def program(path):
    """A program, with the libraries that dom0 does not have. Returns its place there, to be run with ENV."""
    for name, file in elf.closure([path]).items():
        there = (f'/{LIBDIR}/{name}', f'{FOLDER}/{name}')
        if all(client.output('dom0', ['test', '-e', known])[0] for known in there):
            guest.push('dom0', Path(file).resolve(), f'{FOLDER}/{name}')
    guest.push('dom0', path, f'{FOLDER}/{path.name}')
    return f'{FOLDER}/{path.name}'


def script(name, text):
    """A shell script in dom0; returns its place."""
    path = f'{FOLDER}/{name}'
    client.check('dom0', ['sh', '-c', 'mkdir -p "${1%/*}" && cat >"$1" && chmod 755 "$1"', 'script', path],
                 stdin=f'#!/bin/sh\n{text}'.encode())
    return path


def executor(name, options):
    """A program for xen-vgpud's --executor: ours, with options."""
    return script(f'executor-{name}', f'exec {LIBEXEC}/vgpu-executor "$@" {options}\n')


def modules(name):
    """The files of a kernel module and of those that it needs."""
    return [Path(path) for path in packages.modules([name])]


def load(name, *options):
    """A module into dom0's kernel, unless it is there."""
    for path in modules(name):
        if client.output('dom0', ['grep', '-q', f'^{path.stem.replace("-", "_")} ', '/proc/modules'])[0]:
            guest.push('dom0', path, f'{FOLDER}/{path.name}')
            client.check('dom0', ['insmod', f'{FOLDER}/{path.name}', *options])
