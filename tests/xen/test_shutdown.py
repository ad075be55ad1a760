#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The last of the Xen tests: only dom0 is left, and the system that they shared powers off by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import client, counts, system                          # noqa: E402
from xentest.cases import Cases, Skip, check_equal                  # noqa: E402


def alone():
    """no domain is left but dom0"""
    if not client.running():
        raise Skip('no system was left running')
    check_equal('domains', sorted(counts.domains()), ['Domain-0'])


def power_off():
    """dom0 powers off"""
    if not client.running():
        raise Skip('no system was left running')
    check_equal('shutdown', system.stop(), 'powered off')


cases = Cases()
cases.run(alone, power_off)
cases.finish()
