#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does this Xen work? The machinery and what the product stands on, without the product: commands in dom0
and in guests, grants and event channels between them, and that the leak counts count.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, guest                          # noqa: E402
from xentest.cases import check, check_equal, check_in, main                  # noqa: E402
from xentest.paths import BUILD                                     # noqa: E402

BIN = BUILD / 'bin'
NAME = {'pv': 'selftest-pv', 'pvh': 'selftest-pvh'}


def commands():
    """commands in dom0: output, exit status, signals, many at a time."""
    check_equal('output', client.output('dom0', ['sh', '-c', 'echo out; echo err >&2; exit 3']),
                (3, 'out\n', 'err\n'))
    check_equal('killed', client.output('dom0', ['sh', '-c', 'kill -9 $$'])[0], 128 + 9)
    check_equal('user', client.output('dom0', ['id', '-u'], user='user')[1], '1000\n')
    check_equal('timeout', client.Command('dom0', ['sleep', '60']).run(timeout=1), client.TIMED_OUT)
    every_byte = bytes(range(256)) * 3000
    got = bytearray()
    client.Command('dom0', ['cat']).run(every_byte, got.extend, timeout=120)
    check(bytes(got) == every_byte, 'cat did not give back every byte')
    jobs = [client.Background('dom0', ['sh', '-c', f'sleep 1; echo {number}'])
            for number in range(8)]
    check_equal('eight at a time', [(job.wait(), job.text) for job in jobs],
                [(0, f'{number}\n') for number in range(8)])


def in_guest(kind):
    name = NAME[kind]
    before = counts.snapshot()
    contents = guest.Contents()
    contents.add_program(BIN / 'selftest-guest', '/opt/test/selftest-guest')
    contents.add_program(BIN / 'gntalloc_used', '/opt/test/gntalloc_used')
    domid = guest.create(name, kind, contents=contents)
    try:
        every_byte = bytes(range(256)) * 100
        got = bytearray()
        client.Command(name, ['cat']).run(every_byte, got.extend, timeout=120)
        check(bytes(got) == every_byte, 'the console did not give back every byte')
        check_equal('user', client.output(name, ['id', '-u'], user='user')[1], '1000\n')
        ping_pong(name, domid)
    finally:
        guest.destroy(name)
    check_equal('left over', counts.settle(before), [])


def ping_pong(name, domid):
    before = counts.snapshot(name)
    program = client.Background(name, ['/opt/test/selftest-guest'])
    _, ref, port, child = program.wait_for('\n').split()[:4]
    during = counts.snapshot(name)
    check_equal('gntalloc pages in use', during['gntalloc pages of the guest']
                - before['gntalloc pages of the guest'], 65)
    check_equal('ports in use', during['ports of the guest'] - before['ports of the guest'], 1)
    answer = client.Background('dom0', ['/tmp/selftest-dom0', str(domid), ref, port])
    program.wait_for('as uid 1000')
    check_equal('grants mapped by dom0', counts.grants()[domid],
                before['grants of the guest'] + 1)
    client.check(name, ['kill', '-9', child])
    check_equal('exit of both halves', (program.wait(), answer.wait()), (0, 0))
    check_in('dom0', answer.text, "PASS the death of the guest's process was noticed")
    check_equal('leaks', counts.settle(before, name), [])


def ping_pong_pv():
    """PV guest: console, grants, event channels, news of a process' death, nothing left."""
    guest.push('dom0', BIN / 'selftest-dom0', '/tmp/selftest-dom0')
    in_guest('pv')


def ping_pong_pvh():
    """PVH guest: the same."""
    guest.push('dom0', BIN / 'selftest-dom0', '/tmp/selftest-dom0')
    in_guest('pvh')


main(commands, ping_pong_pv, ping_pong_pvh)
