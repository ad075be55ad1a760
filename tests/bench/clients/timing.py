# SPDX-License-Identifier: MIT
"""Items of a real program: what one step takes, and the CPU time that this process has for it, a line of JSON each,
so that tests/bench/clients-run can compare two runs.

    {"item": NAME, "us": MEDIAN, "cpu_us": MEDIAN, "client": "torch 2.11.0"}
    {"item": NAME, "skip": WHY} or {"item": NAME, "error": WHAT}

The medians are over BATCHES batches of steps; a batch ends when the GPU is done with it. CPU time is that of all
threads of this process, in user and in system mode; its children's and an executor's are not in it.
"""

import importlib
import importlib.util
import json
import math
import statistics
import sys
import time
import traceback

BATCHES = 7


def say(name, **said):
    print(json.dumps({'item': name, **said}), flush=True)


def wanted(items):
    """Those named on the command line, or all."""
    return [name for name in items if not sys.argv[1:] or name in sys.argv[1:]]


def leave(items, why):
    """This machine lacks what the program needs."""
    for name in wanted(items):
        say(name, skip=why)
    sys.exit(0)


def client(items, name):
    """The client's module. Only one that is not there is missing: one that cannot be imported is an error."""
    if not importlib.util.find_spec(name):
        leave(items, f'no {name}')
    return importlib.import_module(name)


def torch_client(items):
    torch = client(items, 'torch')
    if not torch.version.cuda:
        leave(items, 'torch is built without CUDA')
    return torch


def time_batch(run, steps):
    """Microseconds a step: what it took, and the CPU time."""
    began, cpu_began = time.perf_counter(), time.process_time()
    result = run(steps)
    cpu, took = time.process_time() - cpu_began, time.perf_counter() - began
    if not math.isfinite(result):
        raise ArithmeticError(f'computed {result}')
    return took / steps * 1e6, cpu / steps * 1e6


def time_item(run, steps):
    run(steps)
    batches = [time_batch(run, steps) for _ in range(BATCHES)]
    took, cpu = (statistics.median(values) for values in zip(*batches))
    return {'us': took, 'cpu_us': cpu}


def main(module, items, start):
    """
    items: {name: (steps of a batch, argument of start)}. start(argument) answers run(steps), which makes that many steps,
    waits for the GPU and answers a finite number that depends on them. Exit status: 1 after an error.
    """
    failed = False
    for name in wanted(items):
        steps, argument = items[name]
        try:
            say(name, **time_item(start(argument), steps), client=f'{module.__name__} {module.__version__}')
        except Exception as error:                      # pylint: disable=broad-except
            traceback.print_exc()
            first_line = next(iter(str(error).splitlines()), '')
            say(name, error=f'{type(error).__name__}: {first_line}'[:300])
            failed = True
    sys.exit(1 if failed else 0)
