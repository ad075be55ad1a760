# SPDX-License-Identifier: MIT
"""Guests: made by stock `xl create`, reached through the agent on their console."""

import time

from . import client, elf
from .cpio import Archive
from .paths import IMAGES, LIBDIR, SHARE, XenTestError

CREATE_TIMEOUT = 120
READY_TIMEOUT = 180
CONFIG = '''\
name = "{name}"
type = "{kind}"
kernel = "/share/vmlinux"
ramdisk = "/share/{name}.cpio"
extra = "console=hvc0 quiet loglevel=1 {extra}"
memory = {memory}
vcpus = {vcpus}
on_poweroff = "destroy"
on_crash = "destroy"
on_reboot = "destroy"
{lines}'''


class Contents:
    """What a guest's file system has beyond the base."""

    def __init__(self):
        self.archive = Archive()

    def add_file(self, source, path):
        self.archive.copy(path, source)

    def add_program(self, source, path, search=(), optional=()):
        """A program (script or ELF file) and its libraries."""
        self.archive.copy(path, source)
        for name, file in elf.closure([source], search, optional).items():
            self.archive.copy(f'{LIBDIR}/{name}', file)

    def add_script(self, path, text):
        self.archive.file(path, text.encode(), 0o755)


def share_kernel():
    """xl reads the kernel from the share."""
    SHARE.mkdir(parents=True, exist_ok=True)
    link = SHARE / 'vmlinux'
    source = IMAGES / 'vmlinux'
    if not link.exists() or not link.samefile(source):
        link.unlink(missing_ok=True)
        link.hardlink_to(source)


def create(name, kind='pv', memory=256, vcpus=1, contents=None, lines=(), extra=''):
    """Boots a guest and waits for its agent; returns its domid."""
    if kind not in ('pv', 'pvh'):
        raise XenTestError(f'type {kind}: pv or pvh')
    share_kernel()
    with open(SHARE / f'{name}.cpio', 'wb') as file:
        file.write((IMAGES / 'guest.cpio').read_bytes())
        if contents:
            file.write(contents.archive.pack())
    (SHARE / f'{name}.cfg').write_text(CONFIG.format(
        name=name, kind=kind, memory=memory, vcpus=vcpus, extra=extra, lines='\n'.join(lines)))
    client.check('dom0', ['xl', 'create', '-q', f'/share/{name}.cfg'], timeout=CREATE_TIMEOUT)
    (SHARE / f'{name}.cpio').unlink()
    domid = domain(name)
    client.ask({'op': 'link-guest', 'name': name, 'console': console(domid),
                'timeout': READY_TIMEOUT})
    return domid


def domain(name):
    return int(client.check('dom0', ['xl', 'domid', name]))


def console(domid):
    """The pty of a guest's console in dom0, from xenstore."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status, path, _ = client.output('dom0', ['xenstore-read',
                                                 f'/local/domain/{domid}/console/tty'])
        if status == 0 and path.strip():
            return path.strip()
        time.sleep(0.1)
    raise XenTestError(f'xenconsoled gave domain {domid} no console within 30 s')


def destroy(name):
    client.check('dom0', ['xl', 'destroy', name], timeout=CREATE_TIMEOUT)


def exists(name):
    return client.output('dom0', ['xl', 'domid', name])[0] == 0
