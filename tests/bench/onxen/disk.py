# SPDX-License-Identifier: MIT
"""xen-blkfront on a RAM disk of dom0 (brd, served by xen-blkback)."""

from xentest import client, fixture

from . import place

KIB = 32768                     # of the RAM disk
# What Xen's own script needs bash and udev for.
SCRIPT = '''
[ "$1" = add ] || exit 0
xenstore-write "$XENBUS_PATH/physical-device" 1:0 "$XENBUS_PATH/hotplug-status" connected
'''


def add_to(contents, build):
    """What the guest needs, into its file system."""
    for path in place.modules('xen-blkfront'):
        contents.add_file(path, f'/opt/bench/modules/{path.name}')
    contents.add_program(build / 'bin' / 'disk_bench', '/opt/bench/disk_bench')


def attach(name):
    place.load('brd', 'rd_nr=1', f'rd_size={KIB}')
    place.load('xen-blkback')
    script = place.script('disk-script', SCRIPT)
    for path in place.modules('xen-blkfront'):
        client.check(name, ['insmod', f'/opt/bench/modules/{path.name}'])
    client.check('dom0', ['xl', 'block-attach', name,
                          f'format=raw,vdev=xvda,access=w,script={script},target=/dev/ram0'])
    fixture.until('the guest has the disk', lambda: client.output(name, ['test', '-b', '/dev/xvda'])[0] == 0)


def measure(name, trips, copies):
    """What disk_bench says of it."""
    attach(name)
    result = place.values(client.check(name, ['/opt/bench/disk_bench', '/dev/xvda', str(trips), str(copies)],
                                       timeout=300))
    client.check('dom0', ['xl', 'block-detach', name, 'xvda'])
    return result
