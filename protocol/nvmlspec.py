# SPDX-License-Identifier: MIT
"""The spec of NVML (nvml.api): its grammar, parsed and checked.

A spec is lines; `#` begins a comment. Declarations:

    plain TYPE ...             types passed by value as they are (no pointers inside)
    own NAME ...               exported functions that are written by hand altogether
    refuse CODE NAME ...       exported functions that answer NVML_ERROR_CODE
    call NUMBER NAME           a call; NAME is the exported symbol, or vgName for a call of our own
        also NAME ...          exported names of the same function
        guest                  fe_NAME in xen-frontend/nvml is hand-written; nothing is sent
        exec                   ex_NAME in dom0-executor is called instead of the library's function
        ARGUMENT ...           in C order

ARGUMENT is one of
    device NAME                nvmlDevice_t
    in NAME TYPE               TYPE NAME
    out NAME TYPE              TYPE *NAME
    out NAME TYPE[N]           TYPE *NAME, room for N
    text NAME LENGTH           char *NAME, unsigned LENGTH: room for a text
    bytes NAME SIZE TYPE       TYPE *NAME, unsigned SIZE: room for SIZE bytes
    list COUNT NAME TYPE MAX   unsigned *COUNT, TYPE *NAME: room for *COUNT, which comes back as how
                               many there are; more than MAX are never asked for
    fields COUNT NAME TYPE MAX int COUNT, TYPE *NAME: elements that go there and come back
    versioned NAME TYPE V=STRUCT ...
                               TYPE *NAME: goes there and comes back; its first word tells which of the
                               structures it is
    raw NAME C-TYPE            (guest only) as the program passes it

Numbers are never used again for another call.
"""

import hashlib
import re

from apispec import SpecError, statements

KINDS = {"device": 1, "in": 2, "out": 2, "text": 2, "bytes": 3, "list": 4, "fields": 4}
OPS_MAX = 1024
# Names that generated code uses for itself.
RESERVED = {"ask", "result"}


class Arg:
    """One argument of a call that is sent."""

    def __init__(self, where, kind, words, plain):
        self.where, self.kind, self.versions = where, kind, []
        self.count = self.length = self.base = None
        if kind == "versioned":
            if len(words) < 3:
                raise SpecError(where, "versioned NAME TYPE V=STRUCT ...")
            self.name, self.base = words[:2]
            self.versions = [self._version(where, w) for w in words[2:]]
        elif len(words) != KINDS[kind]:
            raise SpecError(where, f"{kind} takes {KINDS[kind]} words")
        elif kind == "device":
            self.name = words[0]
        elif kind == "text":
            self.name, self.length = words
        elif kind == "bytes":
            self.name, self.length, self.base = words
        elif kind in ("list", "fields"):
            self.count, self.name, self.base, self.most = words
        else:
            self.name, self.base = words
            match = re.fullmatch(r"(\w+)\[(\d+)\]", self.base)
            if match:
                if kind == "in":
                    raise SpecError(where, f"{self.name}: only out has TYPE[N]")
                self.base, self.count = match.groups()
        for base in [self.base] + [s for _, s in self.versions]:
            if base and base not in plain:
                raise SpecError(where, f"type {base} is not declared plain")

    @staticmethod
    def _version(where, word):
        match = re.fullmatch(r"(\d+)=(\w+)", word)
        if not match:
            raise SpecError(where, f"expected V=STRUCT, found '{word}'")
        return match.groups()

    @property
    def names(self):
        """Of its C parameters."""
        return [n for n in (self.count if self.kind in ("list", "fields") else None, self.name,
                            self.length) if n]


class Call:
    """One call of the spec."""

    def __init__(self, where, number, name):
        self.where, self.number, self.name = where, number, name
        self.props, self.also, self.args, self.raw = set(), [], [], []

    @property
    def internal(self):
        return self.name.startswith("vg")

    @property
    def guest(self):
        return "guest" in self.props

    @property
    def exec(self):
        return "exec" in self.props

    @property
    def symbols(self):
        return [] if self.internal else [self.name] + self.also

    def check(self):
        if self.internal and not self.exec:
            raise SpecError(self.where, f"{self.name}: a call of our own needs exec")
        if self.guest and (self.exec or self.args):
            raise SpecError(self.where, f"{self.name}: guest has raw arguments only")
        if self.raw and not self.guest:
            raise SpecError(self.where, f"{self.name}: raw arguments are for guest calls")
        names = [n for a in self.args for n in a.names] + [n for n, _ in self.raw]
        for name in names:
            if name in RESERVED or names.count(name) > 1:
                raise SpecError(self.where, f"{self.name}: the name {name} is taken")


class Spec:
    """A whole spec: plain types, calls by number, refusals."""

    def __init__(self):
        self.plain, self.calls, self.own, self.refused = set(), [], [], {}
        self._names, self._numbers = {}, {}
        self._hash = hashlib.sha256()

    @property
    def hash(self):
        return int.from_bytes(self._hash.digest()[:8], "little")

    def read(self, path):
        call = None
        for where, indented, words in statements(path, self._hash):
            if not indented:
                call = self._declaration(where, words)
            elif call:
                self._line(call, where, words)
            else:
                raise SpecError(where, "indented, but no call is open")
        for each in self.calls:
            each.check()

    def _name(self, where, name):
        if name in self._names:
            raise SpecError(where, f"{name} stands at {self._names[name]} already")
        self._names[name] = where

    def _declaration(self, where, words):
        if words[0] == "plain" and len(words) > 1:
            self.plain.update(words[1:])
        elif words[0] == "own" and len(words) > 1:
            for name in words[1:]:
                self._name(where, name)
                self.own.append(name)
        elif words[0] == "refuse" and len(words) > 2:
            for name in words[2:]:
                self._name(where, name)
                self.refused[name] = "NVML_ERROR_" + words[1]
        elif words[0] == "call" and len(words) == 3:
            return self._call(where, words)
        else:
            raise SpecError(where, f"cannot read '{' '.join(words)}'")
        return None

    def _call(self, where, words):
        if not words[1].isdigit() or not 0 < int(words[1]) < OPS_MAX:
            raise SpecError(where, f"'{words[1]}' is not a number from 1 to {OPS_MAX - 1}")
        number = int(words[1])
        if number in self._numbers:
            raise SpecError(where, f"number {number} is {self._numbers[number]}'s")
        self._name(where, words[2])
        self._numbers[number] = words[2]
        self.calls.append(Call(where, number, words[2]))
        return self.calls[-1]

    def _line(self, call, where, words):
        if words[0] in KINDS or words[0] == "versioned":
            call.args.append(Arg(where, words[0], words[1:], self.plain))
        elif words[0] == "raw" and len(words) > 2:
            call.raw.append((words[1], " ".join(words[2:])))
        elif words[0] == "also" and len(words) > 1:
            for name in words[1:]:
                self._name(where, name)
            call.also += words[1:]
        elif words in (["guest"], ["exec"]):
            call.props.add(words[0])
        else:
            raise SpecError(where, f"'{' '.join(words)}' is no line of a call")
