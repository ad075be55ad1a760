# SPDX-License-Identifier: MIT
"""What a system holds at a moment, counted from outside our software. A test takes the counts before
and after; what differs has leaked. Each count names its source:

  grants DOMAIN      grants of the domain that someone has mapped: entries with a pin count in the
                     hypervisor's dump of grant tables (`xl debug-keys g`, `xl dmesg`)
  ports DOMAIN       event channels that are not free: `lsevtchn`, a hypercall
  domains            `xl list`; a domain that is dying, or whose name has gone, is a "zombie"
  xenstore           nodes with vgpu in their path: `xenstore-ls -f`
  processes NAME     /proc of dom0 or of the guest
  files NAME         open descriptors of that process: /proc/PID/fd
  gntalloc GUEST     pages of gntalloc's limit that are in use: selftest/gntalloc_used.c explains
"""

import re
import time

from . import client, service
from .paths import XenTestError

GRANT_TABLE = re.compile(r'grant-table for remote d(\d+)')
GRANT = re.compile(r'\[0x[0-9a-f]+\]\s+\d+')
DUMP_END = 'gnttab_usage_print_all ] done'


def grants():
    """{domid: mapped grants} of all domains."""
    client.check('dom0', ['sh', '-c', 'xl dmesg -c >/dev/null; xl debug-keys g'])
    deadline = time.monotonic() + 30
    text = ''
    while DUMP_END not in text:
        if time.monotonic() > deadline:
            raise XenTestError('no dump of the grant tables within 30 s')
        text += client.check('dom0', ['xl', 'dmesg', '-c'])
    counts, domid = {}, None
    for line in text.splitlines():
        table = GRANT_TABLE.search(line)
        if table:
            domid = int(table[1])
            counts[domid] = 0
        elif GRANT.search(line) and domid is not None:
            counts[domid] += 1
    return counts


def ports(domid):
    status, text, _ = client.output('dom0', ['lsevtchn', str(domid)])
    return len(text.splitlines()) if status == 0 else 0


def domains():
    """{name: domid}; zombies are named `zombie-DOMID`."""
    result = {}
    for line in client.check('dom0', ['xl', 'list']).splitlines()[1:]:
        words = line.split()
        if len(words) < 6:
            continue
        name, domid, state = words[0], int(words[1]), words[4]
        zombie = name == '(null)' or 'd' in state
        result[f'zombie-{domid}' if zombie else name] = domid
    return result


def xenstore(match='vgpu'):
    """{path: value} of the nodes with `match` in their path."""
    nodes = {}
    for line in client.check('dom0', ['xenstore-ls', '-f', '/']).splitlines():
        path, _, value = line.partition(' = ')
        if match in path:
            nodes[path] = value.strip('"')
    return nodes


def files(target, pid):
    """How many descriptors a process has open."""
    return len(client.check(target, ['ls', f'/proc/{pid}/fd']).split())


def gntalloc(guest):
    return int(client.check(guest, ['/opt/test/gntalloc_used']))


def snapshot(guest=None):
    """All counts as {what: number or list}, for comparison with a later snapshot."""
    names = domains()
    counts = {'domains': sorted(names), 'xenstore': sorted(xenstore()),
              'executors in dom0': len(service.pids('dom0', 'vgpu-executor')),
              'grants of dom0': grants().get(0, 0), 'ports of dom0': ports(0)}
    for pid in service.pids('dom0', 'xen-vgpud'):
        counts['files of xen-vgpud'] = files('dom0', pid)
    if guest:
        domid = names[guest]
        counts['grants of the guest'] = grants().get(domid, 0)
        counts['ports of the guest'] = ports(domid)
        counts['gntalloc pages of the guest'] = gntalloc(guest)
        for pid in service.pids(guest, 'vgpu-frontd'):
            counts['files of vgpu-frontd'] = files(guest, pid)
    return counts


def difference(before, after):
    """Lines of text, none when nothing has changed."""
    lines = []
    for what in sorted(before.keys() | after.keys()):
        old, new = before.get(what), after.get(what)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            lines += [f'{what}: {item} was not there' for item in new if item not in old]
            lines += [f'{what}: {item} has gone' for item in old if item not in new]
        else:
            lines.append(f'{what}: {old} before, {new} after')
    return lines


def settle(before, guest=None, seconds=30):
    """Waits until the counts are as before; returns what still differs after `seconds`.

    Clean-up follows an event, so it takes a moment; a leak stays.
    """
    deadline = time.monotonic() + seconds
    while True:
        lines = difference(before, snapshot(guest))
        if not lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.5)
