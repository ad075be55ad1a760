# SPDX-License-Identifier: MIT
"""What the events of `vgpu trace --chrome` must be, for chrome://tracing and Perfetto to show them."""

import json
from decimal import Decimal


def load(text):
    """The events; times as decimals, for to the nanosecond they are exact."""
    document = json.loads(text, parse_float=Decimal)
    assert document['displayTimeUnit'] == 'ns', document.keys()
    return document['traceEvents']


def nesting_faults(slices):
    """Of one thread's, in the order in which they stand: not in the order of time, or half in another."""
    faults, stack, last = [], [], Decimal(-1)
    for event in slices:
        begin, end = event['ts'], event['ts'] + event['dur']
        if event['dur'] < 0 or begin < last:
            faults.append(f'goes back in time: {event}')
        last = begin
        while stack and stack[-1] <= begin:
            stack.pop()
        if stack and end > stack[-1]:
            faults.append(f'reaches out of the one around it, which ends at {stack[-1]}: {event}')
        stack.append(end)
    return faults


def faults(events):
    found, threads, named, starts, ends = [], {}, set(), {}, {}
    for event in events:
        thread = event['pid'], event['tid']
        if event['ph'] == 'X':
            threads.setdefault(thread, []).append(event)
        elif event['ph'] == 'M':
            named.add((event['name'], thread if event['name'] == 'thread_name' else event['pid']))
        elif event['ph'] in 'sf':
            side = starts if event['ph'] == 's' else ends
            if event['id'] in side:
                found.append(f'an arrow twice: {event}')
            side[event['id']] = event
        else:
            found.append(f'an event of no known kind: {event}')
    for thread, slices in threads.items():
        found += nesting_faults(slices)
        if ('thread_name', thread) not in named or ('process_name', thread[0]) not in named:
            found.append(f'a thread without a name: {thread}')
    if starts.keys() != ends.keys():
        found.append(f'arrows without an end: {starts.keys() ^ ends.keys()}')
    for arrow in [*starts.values(), *ends.values()]:
        if not any(s['ts'] <= arrow['ts'] <= s['ts'] + s['dur'] for s in threads.get((arrow['pid'], arrow['tid']), [])):
            found.append(f'an arrow at no slice: {arrow}')
    return found
