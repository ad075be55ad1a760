# SPDX-License-Identifier: MIT
"""Hypercalls of PV domains, from Xen's own trace buffers (xentrace). Debian's Xen is built without performance counters, so
xenperf has nothing to tell.

A trace holds for each processor which domain it switches to (TRC_SCHED_SWITCH) and each hypercall's number
(TRC_PV_HYPERCALL_V2; xen/include/public/trace.h).
"""

import collections
import contextlib
import struct

from xentest import client, fixture
from xentest.paths import SHARE, TREE, XenTestError

from . import place

FOLDER = TREE / 'usr/lib/xen-4.17/bin'
PAGES = 1024                    # of each processor's buffer
# Classes PV and scheduling, of both the subclasses that have these events (bits 12 to 15).
MASK = 0x00229000
LOST = 0x0001f001
CPU_CHANGE = 0x0001f003
SWITCH = 0x0002800a
HYPERCALL = 0x0020100d
OP_MASK = 0xfffff
# By the hypercalls' numbers (xen/include/public/xen.h).
GROUPS = {20: 'grants', 32: 'event channels', 13: 'multicall (page tables, switches)', 23: 'return from an interrupt',
          **dict.fromkeys((1, 14, 22, 26), 'page tables'), **dict.fromkeys((3, 5, 10, 25), 'switches of threads'),
          **dict.fromkeys((15, 24, 29), 'timers and sleeping')}


def records(data):
    """(event, words) of each record."""
    at = 0
    while at + 4 <= len(data):
        head, = struct.unpack_from('<I', data, at)
        extra, stamped = head >> 28 & 7, head >> 31
        at += 12 if stamped else 4
        if at + 4 * extra > len(data):
            return
        yield head & 0xfffffff, struct.unpack_from(f'<{extra}I', data, at)
        at += 4 * extra


def counted(data):
    """{domid: {group: hypercalls}}"""
    found = collections.defaultdict(collections.Counter)
    running, cpu = {}, 0
    for event, words in records(data):
        if event == LOST:
            raise XenTestError('the trace has lost records: larger buffers are needed')
        if event == CPU_CHANGE:
            cpu = words[0]
        elif event == SWITCH:
            running[cpu] = words[2]
        elif event == HYPERCALL and cpu in running:
            found[running[cpu]][GROUPS.get(words[0] & OP_MASK, 'others')] += 1
    return found


@contextlib.contextmanager
def traced(program, found):
    """Counts into `found` what is called inside."""
    client.check('dom0', ['rm', '-f', '/tmp/trace'])
    job = client.Background('dom0', [program, '-D', '-S', str(PAGES), '-e', hex(MASK), '/tmp/trace'], env=place.ENV)
    fixture.until('a trace begins', lambda: job.ended or client.output('dom0', ['test', '-s', '/tmp/trace'])[0] == 0)
    if job.ended:
        raise XenTestError(f'no trace: {job.text}')
    yield
    job.signal(2)
    job.wait()
    client.check('dom0', ['mv', '/tmp/trace', '/share/trace'])
    try:
        for domid, groups in counted((SHARE / 'trace').read_bytes()).items():
            found[domid] = groups
    finally:
        client.check('dom0', ['rm', '/share/trace'])
