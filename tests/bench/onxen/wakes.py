# SPDX-License-Identifier: MIT
"""Who is woken by events while a program launches kernels without waiting.

Counted twice: by the executor (vg_stats: doorbells answered, doorbells rung, as `vgpu list --json` tells them), and by the
kernels of dom0 and the guest (/proc/interrupts: the user-space event channels that our services have opened).
"""

import json
import re
import statistics

from xentest import client, fixture
from xentest.cases import check

LAUNCHES = 1000
ROUNDS = 9
USR1 = 10
LINE = re.compile(r'^ *\d+:((?: +\d+)+) .*evtchn:(\S+)')


def session(domid):
    """The only session's counters."""
    said = json.loads(client.check('dom0', ['vgpu', 'list', '--json']))
    found = [each for device in said['devices'] if device['domid'] == domid for each in device['sessions']]
    check(len(found) == 1, f'{len(found)} sessions, not one')
    return found[0]


def interrupts(target, service):
    """Events that a kernel has had on the channels which a service has opened, for lanes too."""
    lines = client.check(target, ['cat', '/proc/interrupts']).splitlines()
    return sum(sum(map(int, found[1].split())) for found in map(LINE.match, lines)
               if found and found[2] == service)


def counts(box):
    seen = session(box.domid)
    return {'executor': seen['wakes'], 'guest': seen['rings'], 'launches': seen['launches'],
            'events dom0': interrupts('dom0', 'xen-vgpud'), 'events guest': interrupts(box.name, 'vgpu-frontd')}


def one_round(box, job, number):
    job.wait_for(f'ready {number}\n')
    before = counts(box)
    job.signal(USR1)
    job.wait_for(f'sent {number} ')
    fixture.until('all launches have been executed',
                  lambda: session(box.domid)['launches'] >= before['launches'] + LAUNCHES)
    after = counts(box)
    job.signal(USR1)
    result = {name: after[name] - before[name] for name in before}
    result['us'] = float(re.search(rf'^sent {number} (\S+)$', job.text, re.M)[1])
    return result


def measure(box, env):
    """{what: its value in each round}, of LAUNCHES launches."""
    job = client.Background(box.name, ['/opt/bench/launch_bench', 'launches', str(LAUNCHES)], 'user', env=env, timeout=600)
    rounds = [one_round(box, job, number) for number in range(ROUNDS)]
    job.signal(9)
    fixture.no_executor()
    return {name: [each[name] for each in rounds] for name in rounds[0]}


def shown(values):
    """The median, and how far the rounds lie apart."""
    return f'{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})'
