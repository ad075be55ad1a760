# SPDX-License-Identifier: MIT
"""A machine booted in QEMU, with systemd: a script of the test's runs in it, and what it says on the console comes back in parts, each
below a line `== NAME`."""

import re
import subprocess

from xentest import images
from xentest.paths import IMAGES

from .cases import check

TIMEOUT = 400
UNIT = '[Service]\nType=oneshot\nExecStart=/usr/local/bin/check\n[Unit]\nAfter=basic.target\nWants=basic.target\n'
ARGUMENTS = 'quiet systemd.unit=check.service systemd.show_status=no'


def add_script(machine, text):
    """What is run there in place of all else; it powers the machine off."""
    machine.write('/usr/local/bin/check', text, 0o755)
    machine.write('/etc/systemd/system/check.service', UNIT)
    machine.path('/init').symlink_to('/lib/systemd/systemd')


def run(memory, *options):
    images.build_boot()
    done = subprocess.run(['qemu-system-x86_64', '-M', 'q35', '-m', str(memory), '-smp', '2', '-accel',
                           'tcg,thread=multi', '-nodefaults', '-display', 'none', '-no-reboot',
                           '-serial', 'stdio', *options],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=TIMEOUT, check=True)
    return done.stdout.decode(errors='replace').replace('\r', '')


def on_linux(archive):
    """What the machine says on /dev/ttyS0 until it powers off."""
    return run(2048, '-kernel', str(IMAGES / 'vmlinux'), '-initrd', str(archive),
               '-append', f'console=ttyS0 {ARGUMENTS}')


def on_xen(archive):
    """The same as dom0, on /dev/hvc0."""
    return run(3072, '-cpu', 'qemu64', '-kernel', str(IMAGES / 'xen.elf'),
               '-append', 'console=com1 noreboot bootscrub=0 dom0_mem=2048M dom0_max_vcpus=2',
               '-initrd', f'{IMAGES}/vmlinux console=hvc0 {ARGUMENTS},{archive}')


def part(output, name):
    """What was printed in a part, and its `is NAME VALUE` lines."""
    match = re.search(rf'^== {name}\n(.*?)^== ', output, re.S | re.M)
    check(match, f'nothing of {name} in:\n{output[-3000:]}')
    return match[1], dict(re.findall(r'^is (\S+) (.*)$', match[1], re.M))
