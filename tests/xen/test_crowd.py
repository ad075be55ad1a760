#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sixteen processes at once in one guest, on real Xen, within the limits that a guest has by itself: gntalloc's 1024 pages, which
vgpu-frontd raises, and 128 MiB of grants. What a lane and a session take of these is counted by the hypervisor.
"""

import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, fixture, service                # noqa: E402
from xentest.cases import check, check_equal, check_in, kind, main  # noqa: E402

LIMIT = '/sys/module/xen_gntalloc/parameters/limit'
LIMIT_BEFORE = 1024
GRANTS = 32768          # of a guest with the default max_grant_frames
MAX_PAGES = 16384       # vgpu-frontd's
# docs/performance.md: of a process's first lanes, of those from the fifth on, of those from the 17th on
LANE_PAGES = ((4, 49), (12, 17), (48, 9))
PINNED_PAGES = 64       # of each process of crowd
STAGE_PAGES = 129       # of a process that copies from or to pageable memory
PROCESSES, THREADS = 16, 5
MANY = 32               # threads of each: 512 lanes, more than fit when each had 49 pages

box = fixture.Guest('crowd', kind(), programs=('crowd', 'steady'))
base = {}


def limit():
    return int(client.check(box.name, ['cat', LIMIT]))


def grants():
    """Of the guest, mapped by dom0."""
    return counts.grants()[box.domid]


def lane_pages(threads):
    """Of a process with so many threads."""
    pages = 0
    for lanes, size in LANE_PAGES:
        pages += min(threads, lanes) * size
        threads -= min(threads, lanes)
    return pages


def crowd(processes, threads, *more):
    """All of them are there."""
    job = client.Background(box.name, ['/opt/programs/crowd', str(processes), str(threads), *more], 'user', timeout=1800)
    fixture.until(f'{processes} processes are there', lambda: job.ended or 'all here' in job.text, 900)
    check(not job.ended, f'it ended:\n{job.text}\n{fixture.logs(box)}')
    check_equal('executors', len(service.pids('dom0', 'vgpu-executor')), processes)
    return job


def crowd_ends(job, processes):
    box.send('crowd', signal.SIGUSR1)
    check_equal(f'status of crowd, which said\n{job.text}\n', job.wait(900), 0)
    check_in('crowd', job.text, f'PASS crowd {processes} of {processes} processes')


def start():
    """a guest with a vGPU and the kernel's default limit"""
    fixture.need_software()
    box.start()
    check_equal('limit of gntalloc', limit(), LIMIT_BEFORE)
    box.attach()
    box.must_run()
    fixture.no_executor()
    base.update(counts.snapshot(box.name))


def lane():
    """a process takes 49 pages for each of four threads, 17 for the next, its pinned memory, and 129 pages for pageable copies"""
    before, seen = grants(), {}
    for threads in (1, 5):
        job = crowd(1, threads)
        seen[threads] = grants() - before
        crowd_ends(job, 1)
        fixture.no_executor()
    print(f'    pages with one thread and {PINNED_PAGES} of pinned memory: {seen[1]}; with five threads: {seen[5]}')
    check_equal('pages of one thread', seen[1], lane_pages(1) + PINNED_PAGES + STAGE_PAGES)
    check_equal('pages of four threads more', seen[5] - seen[1], lane_pages(5) - lane_pages(1))


def sixteen():
    """16 processes of 5 threads each at once"""
    before = grants()
    job = crowd(PROCESSES, THREADS)
    pages = grants() - before
    print(f'    {pages} pages of grants, limit of gntalloc now {limit()}, ports of the guest {counts.ports(box.domid)}')
    check_equal('pages', pages, PROCESSES * (lane_pages(THREADS) + PINNED_PAGES + STAGE_PAGES))
    check(LIMIT_BEFORE < pages < GRANTS, 'this needs no more than the default limit')
    check(limit() <= MAX_PAGES, f'the limit was raised to {limit()}')
    crowd_ends(job, PROCESSES)
    fixture.no_executor()
    fixture.no_leak(base, box)


def many():
    """16 processes of 32 threads each at once: 512 lanes"""
    before = grants()
    job = crowd(PROCESSES, MANY)
    pages = grants() - before
    print(f'    {pages} pages of grants, limit of gntalloc now {limit()}, ports of the guest {counts.ports(box.domid)}')
    # What a thread copies here is too little to be staged.
    check_equal('pages', pages, PROCESSES * (lane_pages(MANY) + PINNED_PAGES))
    check(limit() <= MAX_PAGES, f'the limit was raised to {limit()}')
    crowd_ends(job, PROCESSES)
    fixture.no_executor()
    fixture.no_leak(base, box)


def hoarder():
    """one process pins all that it gets: the 15 others have their lanes, and copy without pinned pages"""
    job = crowd(PROCESSES, THREADS, '80')
    got = int(re.search(r'hoarded (\d+) of 80 MiB', job.text)[1])
    print(f'    one process has pinned {got} MiB; limit of gntalloc now {limit()}')
    check_equal('MiB that one process could pin', got, MAX_PAGES * 3 // 4 * 4096 >> 20)
    check(limit() <= MAX_PAGES, f'the limit was raised to {limit()}')
    crowd_ends(job, PROCESSES)
    fixture.no_executor()
    fixture.no_leak(base, box)
    box.must_run()
    box.destroy()


main(start, lane, sixteen, many, hoarder)
