# SPDX-License-Identifier: MIT
"""Where things lie. VGPU_BUILD is the build folder of one configuration, as the Makefile sets it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get('VGPU_BUILD') or ROOT / 'build' / 'release').resolve()
XEN = BUILD.parent / 'xen'      # everything of the Xen tests; shared by the configurations
DEBS = XEN / 'debs'             # downloaded packages
TREE = XEN / 'tree'             # the same, unpacked
IMAGES = XEN / 'images'         # what QEMU and xl boot
STAGE = XEN / 'stage'           # dom0 sees it as /stage, read-only: our software, its libraries
GUEST_STAGE = XEN / 'guest-stage'   # the packages of a guest, unpacked
OUR_DEBS = (BUILD.parent if BUILD.name == 'release' else BUILD) / 'deb'     # the Makefile's DEBS
SHARE = XEN / 'share'           # dom0 sees it as /share, read-write: files for guests and back
RUN = XEN / 'run'               # the running system: sockets, pids, logs
SOURCES = ROOT / 'tests' / 'xen'
LIBDIR = 'usr/lib/x86_64-linux-gnu'
LIBEXEC = '/usr/libexec/vgpu'


class XenTestError(Exception):
    """Something that the user is told in one message, without a traceback."""
