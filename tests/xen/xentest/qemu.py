# SPDX-License-Identifier: MIT
"""QEMU's command line. Emulation only: the flags are those with which Xen's PV and PVH both run.

With more than one processor PVH guests crash now and then, the more often the busier this machine is: a triple
fault, or a panic right behind an interrupt that was delivered twice. helper_vmrun() (target/i386/tcg, 7.2
and later) injects an interrupt and leaves cs->exception_index at its vector, so that a processor that is asked by
another thread to leave its loop before the next #VMEXIT delivers it again. One processor is asked seldom.
"""

import asyncio
import os

from .paths import IMAGES, RUN, SHARE, STAGE, XenTestError

BOOT_TIMEOUT = int(os.environ.get('XENHOST_BOOT_TIMEOUT', 240))
MEMORY = int(os.environ.get('XENHOST_MEMORY', 3072))
DOM0_MEMORY = int(os.environ.get('XENHOST_DOM0_MEMORY', 1536))
DOM0_CPUS = int(os.environ.get('XENHOST_DOM0_CPUS', 1))
XEN_OPTIONS = os.environ.get('XENHOST_XEN_OPTIONS', '')
CPUS = int(os.environ.get('XENHOST_CPUS', 2))


def folder(tag, path, read_only):
    """A folder of this machine as dom0's 9p file system `tag`."""
    option = ',readonly=on' if read_only else ''
    return ['-fsdev', f'local,id={tag},path={path},security_model=none{option}',
            '-device', f'virtio-9p-pci,fsdev={tag},mount_tag={tag}']


def command():
    xen = (f'console=com1 noreboot bootscrub=0 conring_size=4M loglvl=warning guest_loglvl=warning '
           f'dom0_mem={DOM0_MEMORY}M dom0_max_vcpus={DOM0_CPUS} {XEN_OPTIONS}')
    return ['qemu-system-x86_64', '-M', 'q35', '-cpu', 'qemu64,+svm,+npt,+nrip-save',
            '-accel', 'tcg,thread=multi', '-m', str(MEMORY), '-smp', str(CPUS),
            '-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'file:console.log',
            '-kernel', str(IMAGES / 'xen.elf'), '-append', xen,
            '-initrd', f'{IMAGES}/vmlinux console=hvc0 quiet,{IMAGES}/dom0.cpio',
            '-device', 'virtio-serial-pci', '-chardev', 'socket,id=agent,path=agent.sock,server=on,wait=off',
            '-device', 'virtserialport,chardev=agent,name=agent',
            *folder('stage', STAGE / 'root', True), *folder('libs', STAGE / 'lib', True),
            *folder('share', SHARE, False)]


async def start():
    """Starts QEMU in RUN, the current folder; its pid goes to qemu.pid."""
    for path in (STAGE / 'root', STAGE / 'lib', SHARE):
        path.mkdir(parents=True, exist_ok=True)
    (RUN / 'agent.sock').unlink(missing_ok=True)
    with open('qemu.log', 'wb') as log:
        try:
            process = await asyncio.create_subprocess_exec(
                *command(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        except FileNotFoundError as error:
            raise XenTestError('qemu-system-x86_64 is missing: '
                               'apt-get install qemu-system-x86') from error
    (RUN / 'qemu.pid').write_text(f'{process.pid}\n')
    return process


async def connect_agent(process):
    """The virtio-serial port on which dom0's agent will answer."""
    while process.returncode is None:
        try:
            return await asyncio.open_unix_connection('agent.sock')
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.05)
    raise XenTestError(f'QEMU ended at once: {(RUN / "qemu.log").read_text()[-600:]}')
