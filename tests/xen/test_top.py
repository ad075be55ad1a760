#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`vgpu top` on real Xen: tables and objects while a guest's program works, whose counts move; the guest by its name, its memory
against its quota; and once the screen, on a terminal in dom0, with keys.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / 'unit' / 'tools')]
from terminal import PADDING, Screen                                # noqa: E402
from xentest import client, fixture, guest                          # noqa: E402
from xentest.cases import check, check_equal, check_in, main        # noqa: E402
from xentest.paths import BUILD                                     # noqa: E402

QUOTA = 64 << 20
MEMORY = 1 << 20                # that steady has of the GPU
ROWS, COLUMNS = 30, 150
# What the screen is drawn with. dom0 here is no Debian, where ncurses-base has it.
TERMINFO = next((path for path in map(Path, ('/lib/terminfo/x/xterm-256color', '/usr/share/terminfo/x/xterm-256color'))
                 if path.exists()), None)
F4, F6, UP, ENTER, ESCAPE = '\x1bOS', '\x1b[17~', '\x1bOA', '\r', '\x1b'
box = fixture.Guest('top')
idle = fixture.Guest('idle', programs=(), memory=256)
GUESTS = (box.name, idle.name)      # others may be left by another test
jobs = []


def top(*args):
    return client.check('dom0', ['vgpu', 'top', '--delay', '1', *args], timeout=120)


def start():
    """a guest with a quota and a program that copies, and a guest without a program"""
    fixture.need_software()
    box.start()
    box.attach(f'gpu=soft,mem={QUOTA >> 20}M')
    idle.start()
    idle.attach()
    jobs.append(box.background())


def plain():
    """tables: both guests by name, the program under its guest, rates, memory and its share of the quota"""
    text = top('--once', *GUESTS)
    print(''.join(f'    {line}\n' for line in text.splitlines()), end='')
    check_in('head', text.splitlines()[0], '2 guests, 1 process, xen-vgpud up')
    columns = next(line for line in text.splitlines() if line.startswith('GUEST/PROGRAM')).split()
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    check_in('guest', rows.get('top', text), f'top ({box.domid})')
    check_in('idle guest', rows.get('idle', text), f'idle ({idle.domid})')
    check('steady' in rows, f'no program:\n{text}')
    steady = dict(zip(columns, rows['steady'].split()))
    check(float(steady['CALLS/S']) > 0, f'no calls: {steady}')
    check(steady['TO-GPU/S'] != '0B' and steady['FROM/S'] != '0B', f'no bytes: {steady}')
    check_equal('memory', steady['MEMORY'], '1.0M')
    check_equal('state', steady['STATE'], 'open')
    # 1 of 64 MiB.
    check_in('share of the quota', rows['top'], ' 2% ')


def objects():
    """objects: the same as numbers, three samples of which each has moved"""
    samples = [json.loads(line) for line in top('--json', '--iterations', '3', box.name).splitlines()]
    check_equal('samples', len(samples), 3)
    for sample in samples:
        check_equal('guests', [(g['domid'], g['domain'], g['connected']) for g in sample['guests']],
                    [(box.domid, box.name, True)])
        found = sample['guests'][0]
        check_equal('memory and quota', (found['memory'], found['quota']), (MEMORY, QUOTA))
        program, = found['processes']
        check_equal('program', (program['program'], program['memory']), ('steady', MEMORY))
        for key in ('calls_s', 'to_gpu_bytes_s', 'from_gpu_bytes_s'):
            check(program[key] > 0, f'{key} is {program[key]}')
        check(program['latency_ns']['p50'] > 0, f'no times: {program["latency_ns"]}')
        check(program['ops'] and program['ops'][0]['calls_s'] > 0, f'no calls by name: {program["ops"]}')
    taken = [sample['guests'][0]['processes'][0]['lanes'][0]['taken'] for sample in samples]
    check(taken[0] < taken[1] < taken[2], f'commands taken: {taken}')
    rate = samples[-1]['guests'][0]['processes'][0]
    print(f'    {rate["calls_s"]} calls/s, {rate["to_gpu_bytes_s"]} bytes/s, lane 0 at {taken}')


class Terminal:
    """vgpu top on a terminal in dom0: keys go there, and what is drawn comes back."""

    def __init__(self, *args):
        guest.push('dom0', BUILD / 'bin' / 'tty', '/tmp/tty')
        guest.push('dom0', TERMINFO, f'/tmp/terminfo/x/{TERMINFO.name}')
        self.screen = Screen(ROWS, COLUMNS)
        self.output = bytearray()
        self.fed = 0
        source, self.fd = os.pipe()
        self.input = os.fdopen(source, 'rb')
        self.command = client.Command('dom0', ['/tmp/tty', str(ROWS), str(COLUMNS), 'vgpu', 'top', '--delay', '1', *args],
                                      env={'TERM': TERMINFO.name, 'TERMINFO': '/tmp/terminfo', 'LC_ALL': 'C'})
        self.thread = threading.Thread(target=self.command.run, daemon=True,
                                       args=(self.input, self.output.extend, self.output.extend, 600))
        self.thread.start()

    def keys(self, text):
        os.write(self.fd, text.encode())

    def text(self):
        new = bytes(self.output[self.fed:])
        self.fed += len(new)
        self.screen.feed(PADDING.sub('', new.decode('ascii')))
        return self.screen.text()

    def wait(self, what, wanted, seconds=60):
        """Until wanted(text of the screen); a string: until it is there."""
        test = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + seconds
        while not test(self.text()):
            check(time.monotonic() < deadline, f'not on the screen: {what}\n{self.screen.text()}')
            time.sleep(0.1)
        return self.screen.text()

    def end(self):
        """Its exit status."""
        self.thread.join(60)
        os.close(self.fd)
        self.input.close()
        return self.command.status


def table(text):
    """The names at the beginnings of the table's lines, in order."""
    return [line.split()[0] for line in text.partition('GUEST/PROGRAM')[2].splitlines()[1:]
            if re.match(r'\s*(top|idle|steady)\b', line)]


def screen():
    """the screen on a terminal in dom0: drawn, moving, sorted and filtered by keys, quit"""
    check(TERMINFO, 'this machine does not know the terminal xterm-256color')
    terminal = Terminal(*GUESTS)
    text = terminal.wait('a program with its rates', lambda text: re.search(r'steady .*us .*open', text) and
                         table(text) == ['top', 'steady', 'idle'])
    print(''.join(f'    |{line}\n' for line in text.splitlines()), end='')
    check_in('head', text, '2 guests, 1 process')
    check(terminal.screen.alternate, 'not on the alternate screen')
    first = re.search(r'steady .*', text)[0]
    terminal.wait('other figures', lambda text: re.search(r'steady .*open', text) and
                  re.search(r'steady .*', text)[0] != first)
    terminal.keys(F6)
    terminal.wait('the list of columns', 'Sort by')
    terminal.keys(UP * 3 + ENTER)       # from the calls to the program
    terminal.wait('sorted by name', lambda text: 'Sort by' not in text and table(text) == ['idle', 'top', 'steady'])
    terminal.keys(F4)
    terminal.wait('the filter', 'Filter:')
    terminal.keys('stea' + ENTER)
    terminal.wait('one program', lambda text: table(text) == ['top', 'steady'])
    terminal.keys(ESCAPE)
    terminal.wait('all of them', lambda text: table(text) == ['idle', 'top', 'steady'])
    terminal.keys('q')
    check_equal('status', terminal.end(), 0)
    terminal.text()
    check(not terminal.screen.alternate, 'the alternate screen is left behind')


def ended():
    """the program ends: it is not there any more, and what the guest held is given back"""
    box.kill('steady', signal.SIGTERM)
    jobs.pop().wait(120)
    fixture.no_executor()
    found = {g['domain']: g for g in json.loads(top('--once', '--json', *GUESTS))['guests']}
    check_equal('programs', found[box.name]['processes'], [])
    check_equal('memory', found[box.name]['memory'], 0)
    for one in (box, idle):
        one.detach()
        one.destroy()


main(start, plain, objects, screen, ended)
