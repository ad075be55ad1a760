#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lives of guests and services, with PVH guests; see xentest/lives.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from xentest.lives import Lives                                     # noqa: E402

Lives('pvh').run()
