# SPDX-License-Identifier: MIT
"""Real Xen, its dom0 and guests under QEMU, and programs run in them. See docs/testing-on-xen.md."""
