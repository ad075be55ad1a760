#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every CUDA program of tests/programs in a PV guest; see xentest/programs.py. test_programs_pvh.py, a link,
in a PVH guest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest import programs            # noqa: E402
from xentest.cases import kind          # noqa: E402

programs.run(kind())
