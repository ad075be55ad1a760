# SPDX-License-Identifier: MIT
"""Test cases of one script: `PASS name`, `FAIL name` with the reason, `SKIP name`, then the sums."""

import os
import sys
import time
import traceback
from pathlib import Path

from . import system
from .paths import XenTestError


class Failure(Exception):
    """A check of a test did not hold."""


class Skip(Exception):
    """A case cannot run here; the text says why."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(what, got, wanted):
    check(got == wanted, f'{what}: {got!r}, wanted {wanted!r}')


def check_in(what, text, wanted):
    """`wanted` must occur in `text`, whatever its case."""
    check(wanted.lower() in text.lower(), f'{what}: no {wanted!r} in {text.strip()!r}')


def kind():
    """The kind of guest that this script tests: its name ends in _pvh, or it is PV. One script has a link
    for each."""
    return 'pvh' if Path(sys.argv[0]).stem.endswith('_pvh') else 'pv'


class Cases:
    """Runs cases one after the other and counts them. An argument on the command line picks cases."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.wanted = sys.argv[1:]

    def _one(self, name, function):
        began = time.monotonic()
        try:
            function()
            self.passed += 1
            print(f'PASS {name} ({time.monotonic() - began:.0f} s)', flush=True)
        except Skip as reason:
            self.skipped += 1
            print(f'SKIP {name}: {reason}', flush=True)
        except (Failure, XenTestError) as reason:
            self.failed += 1
            print(f'FAIL {name}: {reason}', flush=True)
        except Exception:               # pylint: disable=broad-except
            self.failed += 1
            print(f'FAIL {name}: {traceback.format_exc()}', flush=True)

    def run(self, *functions):
        """Each function is a case, named by its first line of documentation."""
        for function in functions:
            name = function.__doc__.splitlines()[0].rstrip('.')
            if self.wanted and not any(word in name for word in self.wanted):
                continue
            self._one(name, function)

    def finish(self):
        print(f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped', flush=True)
        sys.exit(1 if self.failed else 0)


def main(*functions):
    """A test script's main: the system runs (it is booted if need be) and is left running. That of PVH guests
    has one processor: qemu.py says why."""
    os.environ.setdefault('XENHOST_BOOT_TIMEOUT', '300')
    cases = Cases()
    try:
        system.start(1 if kind() == 'pvh' else None)
    except (XenTestError, OSError) as error:
        print(f'FAIL boot: {error}')
        cases.failed += 1
        cases.finish()
    cases.run(*functions)
    cases.finish()
