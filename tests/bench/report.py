# SPDX-License-Identifier: MIT
"""What the benchmarks that compare native with the vGPU share: runs in turn, spread and ratios, tables, files."""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WAYS = ('native', 'vgpu')
# What compared() answers.
COMPARED = ('native us', 'spread', 'vGPU us', 'spread', 'ratio')


def describe_machine():
    """The GPU and its driver in words, or None."""
    query = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']
    try:
        said = subprocess.run(query, text=True, stdout=subprocess.PIPE, check=True,
                              stdin=subprocess.DEVNULL).stdout
        return said.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def argument_parser(description, repeat):
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=os.environ.get('VGPU_BUILD', os.path.join(ROOT, 'build/release')))
    parser.add_argument('--repeat', type=int, default=repeat)
    parser.add_argument('--json')
    parser.add_argument('--table')
    parser.add_argument('--run-options', default=os.environ.get('VGPU_RUN_OPTIONS', ''),
                        help='passed on to vgpu-run')
    parser.add_argument('items', nargs='*', metavar='ITEM')
    return parser


def run_in_turn(values, repeat):
    """What values(way) answers, of `repeat` runs natively and as many on the vGPU: {way: [answer, ...]}."""
    runs = {way: [] for way in WAYS}
    for i in range(repeat):
        for way, each in runs.items():
            each.append(values(way))
            print(f'# {way}, run {i + 1} of {repeat}', file=sys.stderr, flush=True)
    return runs


def spread(values):
    """The middle half's width in percent of the median."""
    if len(values) < 4:
        return (max(values) - min(values)) / statistics.median(values) * 100
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / statistics.median(values) * 100


def compared(native, vgpu):
    """The cells for microseconds of several runs."""
    a, b = statistics.median(native), statistics.median(vgpu)
    return f'{a:.3f}', f'{spread(native):.0f} %', f'{b:.3f}', f'{spread(vgpu):.0f} %', f'{b / a:.2f}'


def text_table(rows):
    """A row with fewer cells than the head ends in words, which need no column."""
    columns = len(rows[0])
    widths = [max(len(row[i]) for row in rows if i == 0 or len(row) == columns) for i in range(columns)]
    return '\n'.join('  '.join([row[0].ljust(widths[0]), *aligned(row[1:], widths[1:])]) for row in rows)


def aligned(cells, widths):
    return [cell.rjust(n) for cell, n in zip(cells, widths)] if len(cells) == len(widths) else cells


def markdown(rows, machine):
    head, *others = rows
    lines = [f'{machine}, {datetime.date.today()}', '', '| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for row in others:
        cells = [cell.replace('|', '/') for cell in row] + [''] * (len(head) - len(row))
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def publish(args, machine, rows, every):
    """The table on standard output, and the files that were asked for."""
    print(f'{machine}\n{text_table(rows)}')
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump({'machine': machine, 'date': str(datetime.date.today()), 'values': every}, file, indent=1)
    if args.table:
        with open(args.table, 'w', encoding='utf-8') as file:
            file.write(markdown(rows, machine))
