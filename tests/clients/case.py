# SPDX-License-Identifier: MIT
"""Cases of a CUDA client in Python: one PASS or FAIL line each."""

import sys
import time
import traceback

import numpy

CASES = []


def case(function):
    CASES.append(function)
    return function


def same(got, wanted):
    """Bit by bit."""
    numpy.testing.assert_array_equal(got, wanted)


def near(got, wanted, tolerance):
    """Within a part of the value, or of 1 where that is less."""
    numpy.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def main(client):
    """All cases, or those named on the command line. The exit status."""
    wanted, failed = sys.argv[1:], 0
    names = {function.__name__ for function in CASES}
    for name in wanted:
        if name not in names:
            sys.exit(f'there is no case {name}: {" ".join(sorted(names))}')
    print(f'# {client}, Python {sys.version.split()[0]}', flush=True)
    for function in CASES:
        if wanted and function.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            function()
            print(f'PASS {function.__name__} {time.monotonic() - began:.1f} s', flush=True)
        except Exception as error:                  # pylint: disable=broad-except
            traceback.print_exc()
            print(f'FAIL {function.__name__} {type(error).__name__}', flush=True)
            failed += 1
    return 1 if failed else 0
