# SPDX-License-Identifier: MIT
"""What is booted: xen.elf, vmlinux, dom0.cpio, guest.cpio in IMAGES. Made anew only when a source of
theirs changed. Our own software is in none of them: dom0 reads it from STAGE, a guest gets it in an
archive of its own (guest.py), so a changed program means no rebuilt image.
"""

import gzip
import hashlib
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

from . import elf, packages
from .cpio import Archive
from .paths import BUILD, IMAGES, LIBDIR, SOURCES, TREE, XenTestError

XEN_BIN = 'usr/lib/xen-4.17/bin'
DOM0_TOOLS = ('xl', 'xenstored', 'xenconsoled', 'xenconsole', 'xen-init-dom0', 'libxl-save-helper',
              'lsevtchn')
STORE_TOOLS = ('chmod', 'exists', 'list', 'ls', 'read', 'rm', 'watch', 'write')
DOM0_MODULES = ('xen-privcmd', 'xenfs', 'xen-evtchn', 'xen-gntdev', 'xen-gntalloc', 'virtio_pci',
                'virtio_console', '9p', '9pnet_virtio')
GUEST_MODULES = ('xen-evtchn', 'xen-gntalloc', 'xen-gntdev')
# glibc's parts that programs load by name, and what C++ and static cudart programs want.
COMMON_LIBS = ('libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1',
               'libgcc_s.so.1', 'libstdc++.so.6')
# vgpu: whom executors become in dom0, who may use the device in a guest. `other` is not in that group.
USERS = (('root', 0), ('vgpu', 990), ('user', 1000), ('other', 1001), ('nobody', 65534))
GROUP_MEMBERS = {'vgpu': 'user'}


def newer(target, *sources):
    """Whether `target` stands and is younger than all sources."""
    return target.exists() and all(target.stat().st_mtime_ns > Path(source).stat().st_mtime_ns
                                   for source in sources)


def write(target, data):
    """Replaces a file in one step: a running system may still read the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + '.new')
    fresh.write_bytes(data)
    fresh.replace(target)


def extract_vmlinux(image):
    """The ELF kernel inside a bzImage. Unpacking xz once here saves seconds of each emulated boot."""
    setup_sectors, = struct.unpack_from('<B', image, 0x1f1)
    offset, length = struct.unpack_from('<II', image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    if image[0x202:0x206] != b'HdrS' or image[start:start + 6] != b'\xfd7zXZ\0':
        raise XenTestError('the kernel is not xz-compressed: teach images.extract_vmlinux')
    return lzma.LZMADecompressor().decompress(image[start:start + length])


def build_boot():
    version = packages.kernel_version()
    kernel = TREE / 'boot' / f'vmlinuz-{version}'
    xen = next(iter(sorted((TREE / 'boot').glob('xen-*.gz'))))
    if not newer(IMAGES / 'vmlinux', kernel):
        write(IMAGES / 'vmlinux', extract_vmlinux(kernel.read_bytes()))
    if not newer(IMAGES / 'xen.elf', xen):
        write(IMAGES / 'xen.elf', gzip.decompress(xen.read_bytes()))


def system_lib(name):
    for folder in ('/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu'):
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise XenTestError(f'this machine has no {name}')


def busybox():
    path = shutil.which('busybox')
    if not path:
        raise XenTestError('busybox is missing: apt-get install busybox-static')
    if elf.is_dynamic(path):
        raise XenTestError('busybox is not the static one: apt-get install busybox-static')
    return Path(path)


def add_base(archive):
    """A merged-/usr root with busybox and glibc."""
    for folder in ('usr/bin', 'usr/sbin', LIBDIR, 'usr/lib64', 'proc', 'sys', 'dev', 'etc', 'run',
                   'var/lib', 'var/log', 'root', 'home'):
        archive.folder(folder)
    archive.folder('tmp', 0o1777)
    for name in ('bin', 'sbin', 'lib', 'lib64'):
        archive.link(name, f'usr/{name}')
    archive.link('var/run', '/run')
    archive.link('var/lock', '/run/lock')
    archive.device('dev/console', 5, 1)
    archive.device('dev/null', 1, 3, 0o666)
    archive.copy('usr/bin/busybox', busybox())
    names = subprocess.run(['busybox', '--list'], text=True, capture_output=True, check=True)
    for name in names.stdout.split():
        if name != 'busybox':
            archive.link(f'usr/bin/{name}', 'busybox')
    archive.copy('usr/lib64/ld-linux-x86-64.so.2', elf.LOADER)
    for name in COMMON_LIBS:
        archive.copy(f'{LIBDIR}/{name}', system_lib(name))
    add_users(archive)


def add_users(archive):
    passwd, group = '', ''
    for name, number in USERS:
        home = '/root' if name == 'root' else f'/home/{name}'
        passwd += f'{name}:x:{number}:{number}::{home}:/bin/sh\n'
        group += f'{name}:x:{number}:{GROUP_MEMBERS.get(name, "")}\n'
        if number in (1000, 1001):
            archive.folder(f'home/{name}', owner=(number, number))
    archive.file('etc/passwd', passwd.encode())
    archive.file('etc/group', group.encode())


def add_programs(archive, programs):
    for path in programs:
        archive.copy(f'usr/sbin/{path.name}', path)
    for name, file in elf.closure(programs).items():
        archive.copy(f'{LIBDIR}/{name}', file)


def add_modules(archive, names):
    order = packages.modules(names)
    for path in order:
        archive.copy(f'usr/lib/modules/{Path(path).name}', path)
    archive.file('etc/modules', ''.join(f'/lib/modules/{Path(path).name}\n'
                                        for path in order).encode())


def build_dom0(agent):
    target = IMAGES / 'dom0.cpio'
    init = SOURCES / 'init-dom0'
    if newer(target, agent, init, SOURCES / 'stage-link', __file__, TREE / '.unpacked'):
        return
    archive = Archive()
    add_base(archive)
    tools = [TREE / XEN_BIN / name for name in DOM0_TOOLS]
    tools += [TREE / 'usr/bin' / f'xenstore-{name}' for name in STORE_TOOLS]
    add_programs(archive, [*tools, agent])
    add_modules(archive, DOM0_MODULES)
    archive.folder('var/lib/xenstored')
    archive.folder('var/log/xen')
    archive.folder('var/lib/xen')
    archive.file('etc/xen/xl.conf', b'')
    archive.folder('stage/root')
    archive.folder('stage/lib')
    archive.folder('share')
    archive.copy('init', init)
    archive.copy('usr/sbin/stage-link', SOURCES / 'stage-link')
    write(target, archive.pack())


def build_guest(agent):
    target = IMAGES / 'guest.cpio'
    init = SOURCES / 'init-guest'
    if newer(target, agent, init, __file__, TREE / '.unpacked'):
        return
    archive = Archive()
    add_base(archive)
    add_programs(archive, [agent])
    add_modules(archive, GUEST_MODULES)
    archive.copy('init', init)
    write(target, archive.pack())


def agent_program():
    agent = BUILD / 'bin' / 'xentest-agent'
    if not agent.exists():
        raise XenTestError(f'{agent} is not built: run make')
    return agent


def build():
    """All images; True if anything that a running system was booted from has changed."""
    def state():
        return [hashlib.sha256(path.read_bytes()).digest() if path.exists() else None
                for path in (IMAGES / 'xen.elf', IMAGES / 'vmlinux', IMAGES / 'dom0.cpio')]
    before = state()
    packages.fetch()
    build_boot()
    agent = agent_program()
    build_dom0(agent)
    build_guest(agent)
    return state() != before
