# SPDX-License-Identifier: MIT
"""Guests: made by stock `xl create`, reached through the agent on their console."""

import hashlib
import os
import re
import time
from pathlib import Path

from . import client, elf, stage
from .cpio import Archive
from .paths import GUEST_STAGE, IMAGES, LIBDIR, SHARE, XenTestError

CREATE_TIMEOUT = 120
READY_TIMEOUT = 180
PUSH_TIMEOUT = 600
CONFIG = '''\
name = "{name}"
type = "{kind}"
kernel = "/tmp/vmlinux"
ramdisk = "/tmp/{name}.cpio"
extra = "console=hvc0 quiet loglevel=1 {extra}"
memory = {memory}
vcpus = {vcpus}
on_poweroff = "destroy"
on_crash = "destroy"
on_reboot = "destroy"
{lines}'''


class Contents:
    """What a guest's file system has beyond the base: {path in the guest: file here}."""

    def __init__(self):
        self.files = {}

    def add_file(self, source, path):
        self.files[path.lstrip('/')] = Path(source)

    def add_program(self, source, path, search=(), optional=()):
        """A program (script or ELF file) and its libraries."""
        self.add_file(source, path)
        for name, file in elf.closure([source], search, optional).items():
            self.add_file(file, f'{LIBDIR}/{name}')

    def pack(self):
        archive = Archive()
        for path, source in sorted(self.files.items()):
            archive.copy(path, source)
        return archive.pack()


def add_frontend(contents):
    """What a guest needs to use a vGPU: the packages for guests, unpacked, and what ldconfig would do."""
    for path in stage.files(GUEST_STAGE):
        # A folder /lib in the archive would take the place of the guest's link.
        contents.add_program(path, re.sub('^lib/', 'usr/lib/', str(path.relative_to(GUEST_STAGE))))
    for name in ('libcuda.so.1', 'libnvidia-ml.so.1'):
        contents.add_file(GUEST_STAGE / 'usr/lib/vgpu' / name, f'{LIBDIR}/{name}')


def add_backend(contents):
    """What a driver domain needs to serve vGPUs: dom0's packages, without the tools for xl."""
    for path in stage.files(stage.TREE):
        name = re.sub('^lib/', 'usr/lib/', str(path.relative_to(stage.TREE)))
        if path.exists() and not name.endswith('/xl'):      # links that lead into dom0's own tree
            contents.add_file(path, name)
    for path in stage.LIBS.iterdir():
        contents.add_file(path, f'{LIBDIR}/{path.name}')


# xl maps these files into memory, which over 9p takes a message a page: ten times slower than this.
LOAD = '''
[ -e /tmp/vmlinux ] || cp /share/vmlinux /tmp/vmlinux || exit
mv "/share/$1.cpio" "/share/$1.cfg" /tmp && xl create -q "/tmp/$1.cfg"
status=$?
[ -n "$2" ] || rm -f "/tmp/$1.cpio"
exit $status
'''


def share_kernel():
    """The kernel for guests, into the share."""
    SHARE.mkdir(parents=True, exist_ok=True)
    link = SHARE / 'vmlinux'
    source = IMAGES / 'vmlinux'
    if not link.exists() or not link.samefile(source):
        link.unlink(missing_ok=True)
        link.hardlink_to(source)


def prepare(name, kind='pv', memory=256, vcpus=1, contents=None, lines=(), extra=''):
    """The files that a guest is created from, into the share."""
    if kind not in ('pv', 'pvh'):
        raise XenTestError(f'type {kind}: pv or pvh')
    share_kernel()
    with open(SHARE / f'{name}.cpio', 'wb') as file:
        file.write((IMAGES / 'guest.cpio').read_bytes())
        if contents:
            file.write(contents.pack())
    (SHARE / f'{name}.cfg').write_text(CONFIG.format(
        name=name, kind=kind, memory=memory, vcpus=vcpus, extra=extra, lines='\n'.join(lines)))


def create(name, kind='pv', memory=256, vcpus=1, contents=None, lines=(), extra='', keep=False):
    """Boots a guest and waits for its agent; returns its domid. keep: its files stay, for a reboot."""
    prepare(name, kind, memory, vcpus, contents, lines, extra)
    client.check('dom0', ['sh', '-c', LOAD, 'load', name, 'keep' if keep else ''],
                 timeout=CREATE_TIMEOUT)
    return link(name)


def link(name):
    """Waits for the agent of a guest that has just been made; returns its domid."""
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


def push(target, source, path):
    """Copies a file into dom0 or a guest, with its mode; replaces an old one in one step."""
    mode = os.stat(source).st_mode & 0o777
    script = 'mkdir -p "${1%/*}" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
    with open(source, 'rb') as file:
        client.check(target, ['sh', '-c', script, 'push', path, f'{mode:o}'],
                     timeout=PUSH_TIMEOUT, stdin=file.read())


def update(name, contents):
    """Brings a running guest's files up to date over its console: slow, so only what differs."""
    paths = sorted(contents.files)
    sums = client.output(name, ['sh', '-c', 'cd / && md5sum "$@" 2>/dev/null', 'sums', *paths])[1]
    there = {line[34:]: line[:32] for line in sums.splitlines()}
    for path in paths:
        if there.get(path) != hashlib.md5(contents.files[path].read_bytes()).hexdigest():
            push(name, contents.files[path], f'/{path}')


def exists(name):
    return client.output('dom0', ['xl', 'domid', name])[0] == 0
