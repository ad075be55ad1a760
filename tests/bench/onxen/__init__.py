# SPDX-License-Identifier: MIT
"""The parts of tests/bench/on-xen. They run beside tests/xen, whose machinery they use."""
