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


# One command for all of dom0's counts: under emulation each process costs a tenth of a second.
SURVEY = '''
xl dmesg -c >/dev/null
xl debug-keys g
echo "@domains"; xl list
echo "@xenstore"; xenstore-ls -f / | grep vgpu
for name in vgpu-executor xen-vgpud; do
    for stat in /proc/[0-9]*/stat; do
        read -r pid comm state rest <"$stat" || continue
        [ "$comm" = "($name)" ] && [ "$state" != Z ] || continue
        set -- /proc/$pid/fd/*
        echo "@$name"; echo "$#"
    done 2>/dev/null
done
for domid in $DOMAINS; do echo "@ports $domid"; lsevtchn "$domid" 2>/dev/null; done
echo "@grants"; xl dmesg -c
'''


def survey(domids=(0,)):
    """{section: [lines, ...]} of what SURVEY says; a section that occurs again has several lists."""
    text = client.check('dom0', ['sh', '-c', SURVEY],
                        env={'DOMAINS': ' '.join(str(domid) for domid in domids)})
    deadline = time.monotonic() + 120
    while DUMP_END not in text:
        if time.monotonic() > deadline:
            raise XenTestError('no dump of the grant tables within 120 s')
        text += client.check('dom0', ['xl', 'dmesg', '-c'])
    sections = {}
    for line in text.splitlines():
        if line.startswith('@'):
            current = []
            sections.setdefault(line[1:], []).append(current)
        else:
            current.append(line)
    return sections


def parse_grants(lines):
    """{domid: mapped grants} of all domains."""
    counts, domid = {}, None
    for line in lines:
        table = GRANT_TABLE.search(line)
        if table:
            domid = int(table[1])
            counts[domid] = 0
        elif GRANT.search(line) and domid is not None:
            counts[domid] += 1
    return counts


def parse_domains(lines):
    """{name: domid}; zombies are named `zombie-DOMID`."""
    result = {}
    for line in lines[1:]:
        words = line.split()
        if len(words) < 6:
            continue
        name, domid, state = words[0], int(words[1]), words[4]
        zombie = name == '(null)' or 'd' in state
        result[f'zombie-{domid}' if zombie else name] = domid
    return result


def grants():
    """{domid: mapped grants} of all domains."""
    return parse_grants(survey()['grants'][0])


def ports(domid):
    status, text, _ = client.output('dom0', ['lsevtchn', str(domid)])
    return len(text.splitlines()) if status == 0 else 0


def domains():
    """{name: domid}; zombies are named `zombie-DOMID`."""
    return parse_domains(client.check('dom0', ['xl', 'list']).splitlines())


def parse_xenstore(lines):
    nodes = {}
    for line in lines:
        path, _, value = line.partition(' = ')
        nodes[path] = value.strip('"')
    return nodes


def xenstore(match='vgpu'):
    """{path: value} of the nodes with `match` in their path."""
    nodes = parse_xenstore(client.check('dom0', ['xenstore-ls', '-f', '/']).splitlines())
    return {path: value for path, value in nodes.items() if match in path}


def files(target, pid):
    """How many descriptors a process has open."""
    return len(client.check(target, ['ls', f'/proc/{pid}/fd']).split())


def gntalloc(guest):
    return int(client.check(guest, ['/opt/test/gntalloc_used']))


def snapshot(guest=None):
    """All counts as {what: number or list}, for comparison with a later snapshot."""
    domid = int(client.check('dom0', ['xl', 'domid', guest])) if guest else None
    seen = survey((0, domid) if guest else (0,))
    mapped = parse_grants(seen['grants'][0])
    counts = {'domains': sorted(parse_domains(seen['domains'][0])),
              'xenstore': sorted(path for path in parse_xenstore(seen['xenstore'][0])
                                 if 'vgpu' in path),
              'executors in dom0': len(seen.get('vgpu-executor', [])),
              'grants of dom0': mapped.get(0, 0), 'ports of dom0': len(seen['ports 0'][0])}
    for lines in seen.get('xen-vgpud', []):
        counts['files of xen-vgpud'] = int(lines[0])
    if guest:
        counts['grants of the guest'] = mapped.get(domid, 0)
        counts['ports of the guest'] = len(seen[f'ports {domid}'][0])
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
