# SPDX-License-Identifier: MIT
"""What a session costs that is opened and closed again: requests to xenstore (xenstored's own log of all that is asked) and
hypercalls. What the same program does without a session, run as often, is taken off.
"""

import collections
import re

from xentest import client
from xentest.paths import SHARE, TREE

from . import hypercalls, place

SESSIONS = 10
LOOP = 'i=0; while [ $i -lt "$2" ]; do /opt/bench/launch_bench "$1" || exit; i=$((i + 1)); done'
ASKED = re.compile(r'^(?:\S+ )*?IN \S+ .*? ([A-Z_]+) \(', re.M)
WRITES = ('WRITE', 'MKDIR', 'RM', 'SET_PERMS')


class Store:
    """xenstored's log."""

    def __init__(self):
        self.control = place.program(TREE / 'usr/lib/xen-4.17/bin/xenstore-control')

    def ask(self, *words):
        client.check('dom0', [self.control, *words], env=place.ENV)

    def begin(self):
        client.check('dom0', ['rm', '-f', '/tmp/store.log'])
        self.ask('logfile', '/tmp/store.log')
        self.ask('log', 'on')

    def end(self):
        """The requests' names, without our own."""
        self.ask('log', 'off')
        client.check('dom0', ['mv', '/tmp/store.log', '/share/store.log'])
        text = (SHARE / 'store.log').read_text(errors='replace')
        client.check('dom0', ['rm', '/share/store.log'])
        return [name for name in ASKED.findall(text) if name != 'CONTROL']


def each(found, key):
    """{what: how many a session}"""
    before, after = (collections.Counter(found[what][key]) for what in ('nothing', 'session'))
    return {name: (after[name] - before[name]) / SESSIONS for name in before.keys() | after.keys()}


def run(box, what, count=SESSIONS):
    client.check(box.name, ['sh', '-c', LOOP, 'loop', what, str(count)], user='user', timeout=300)


def measure(box):
    """What all SESSIONS sessions cost."""
    store, tracer = Store(), place.program(hypercalls.FOLDER / 'xentrace')
    result = {}
    for what in ('nothing', 'session'):
        run(box, what, 1)
        store.begin()
        calls = {}
        with hypercalls.traced(tracer, calls):
            run(box, what)
        asked = store.end()
        result[what] = {'xenstore': {'writes': sum(name in WRITES for name in asked),
                                     'other requests': sum(name not in WRITES for name in asked)},
                        'dom0': dict(calls.get(0, {})), 'guest': dict(calls.get(box.domid, {}))}
    return result
