#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lives of guests and services, with PV guests; see xentest/lives.py. test_lives_pvh.py, a link, with PVH."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest.cases import kind                                      # noqa: E402
from xentest.lives import Lives                                     # noqa: E402

Lives(kind()).run()
