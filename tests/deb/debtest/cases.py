# SPDX-License-Identifier: MIT
"""Cases of a test: `PASS name`, `FAIL name` with the reason, `SKIP name`; tests/run counts them."""

import subprocess
import time
import traceback


class Skip(Exception):
    """A case cannot run here; the text says why."""


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def check_equal(what, got, wanted):
    check(got == wanted, f'{what}: {got!r}, wanted {wanted!r}')


def check_in(what, text, wanted):
    check(wanted in text, f'{what}: no {wanted!r} in {text.strip()!r}')


def run(functions):
    """Runs each case, named by the first line of its documentation; the exit status for all."""
    failed = 0
    for function in functions:
        name, began = function.__doc__.splitlines()[0], time.monotonic()
        try:
            function()
            print(f'PASS {name} ({time.monotonic() - began:.0f} s)', flush=True)
        except Skip as reason:
            print(f'SKIP {name}: {reason}', flush=True)
        except (AssertionError, subprocess.SubprocessError) as reason:
            failed = 1
            print(f'FAIL {name}: {reason}', flush=True)
        except Exception:               # pylint: disable=broad-except
            failed = 1
            print(f'FAIL {name}: {traceback.format_exc()}', flush=True)
    return failed
