# SPDX-License-Identifier: MIT
"""Writes initramfs archives (cpio "newc"): everything owned by root, no privileges needed.

The kernel unpacks archives that lie one after the other, so a small one can be appended to a big one
that does not change.
"""

import stat
from pathlib import Path


class Archive:
    """An archive in memory. Parent folders come by themselves; a later file replaces an earlier one."""

    def __init__(self):
        self.entries = {}

    def _put(self, path, mode, data=b'', rdev=(0, 0), owner=(0, 0)):
        path = path.strip('/')
        parent = path.rpartition('/')[0]
        if parent and parent not in self.entries:
            self.folder(parent)
        self.entries.pop(path, None)
        self.entries[path] = (mode, data, rdev, owner)

    def folder(self, path, mode=0o755, owner=(0, 0)):
        self._put(path, stat.S_IFDIR | mode, owner=owner)

    def file(self, path, data, mode=0o644, owner=(0, 0)):
        self._put(path, stat.S_IFREG | mode, data, owner=owner)

    def copy(self, path, source, owner=(0, 0)):
        source = Path(source)
        executable = source.stat().st_mode & 0o111
        self.file(path, source.read_bytes(), 0o755 if executable else 0o644, owner)

    def link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor, mode=0o600):
        self._put(path, stat.S_IFCHR | mode, rdev=(major, minor))

    def pack(self):
        """The archive's bytes, padded so that another one may follow."""
        out = bytearray()
        for inode, (path, entry) in enumerate(self.entries.items(), 1):
            append_entry(out, path, inode, *entry)
        append_entry(out, 'TRAILER!!!', 0, 0, b'', (0, 0), (0, 0))
        out += bytes(-len(out) % 512)
        return bytes(out)


def append_entry(out, path, inode, mode, data, rdev, owner):
    name = path.encode() + b'\0'
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, *owner, links, 0, len(data), 0, 0, *rdev, len(name), 0)
    out += b'070701' + b''.join(b'%08X' % field for field in fields) + name
    out += bytes(-len(out) % 4) + data
    out += bytes(-len(out) % 4)
