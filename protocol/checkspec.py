# SPDX-License-Identifier: MIT
"""What a call looks at before it does anything, in the driver's order (checks.api).

    SYMBOL ... : STEP ...

SYMBOL is an exported name, or a pattern as a shell's. The first line that fits counts. STEP is one of
    init        cuInit has been called; last where no step says it, so that what stands before is looked at
                even then
    context     the thread has a current context, and that is alive; of a call on a stream only a default stream asks
                for one: others have their own
    current     the same, whatever the stream
    ?context    there may be none, but not one that is destroyed
    context=CODE, current=CODE, ?context=CODE
                the same, with CODE instead of CUDA's own for what is wrong
    old         it was made by a call of before CUDA 3.2
    ARG         a pointer: not NULL; a number: not 0; a handle: not NULL, and (after init) one that lives
    ARG=CODE    the same, with CODE instead of what the type says for NULL
    ARG==CODE   CODE also for a handle that is none or no more
    ARG=A,B     A for NULL, B for a handle that is none or no more
    ARG!        a handle of that type itself, not of one that does as well; before = or ==
    ?ARG        a handle that may be NULL; otherwise as ARG
    ARG|context a handle as ARG, or NULL, which stands for the current context
    ARG|ARG     one of these pointers is not NULL

Behind these, a call without a half of its own in the guest looks at its context (unless nocontext), its
places and its handles, as the spec has them.
"""

import fnmatch
import re

import apispec
import emit_common as c


CONTEXTS = ("context", "current")


class Step:
    """One check."""

    def __init__(self, where, text):
        match = re.fullmatch(r"(\??)(\w+)(?:\|(\w+))?(!?)(?:(==?)([A-Z_]+)(?:,([A-Z_]+))?)?", text)
        if not match:
            raise apispec.SpecError(where, f"cannot read the step '{text}'")
        self.other, self.strict = match[3], bool(match[4])
        self.name, self.optional = match[2], bool(match[1]) or self.other == "context"
        self.null = f"CUDA_ERROR_{match[6]}" if match[6] else None
        self.gone = self.null if match[5] == "==" else f"CUDA_ERROR_{match[7]}" if match[7] else None


class Line:
    """The steps of some symbols."""

    def __init__(self, where, symbols, steps):
        self.where, self.symbols = where, symbols
        self.steps = [Step(where, text) for text in steps]
        self.used = set()

    def fits(self, symbol):
        for pattern in self.symbols:
            if fnmatch.fnmatchcase(symbol, pattern):
                self.used.add(pattern)
                return True
        return False


class Checks:
    """All lines."""

    def __init__(self, path):
        self.lines = []
        with open(path, encoding="utf-8") as text:
            for number, line in enumerate(text, 1):
                words = line.split("#", 1)[0].split()
                if words:
                    self._read(f"{path}:{number}", words)

    def _read(self, where, words):
        if ":" not in words[1:-1]:
            raise apispec.SpecError(where, "SYMBOL ... : STEP ...")
        colon = words.index(":")
        self.lines.append(Line(where, words[:colon], words[colon + 1:]))

    def steps(self, call, symbol):
        for line in self.lines:
            if line.fits(symbol):
                self._check(line, call)
                return line.steps
        return []

    @staticmethod
    def _check(line, call):
        for name in (name for step in line.steps for name in (step.name, step.other) if name):
            if name not in ("init", "old", *CONTEXTS) and name not in types(call):
                raise apispec.SpecError(line.where, f"{call.name} has no argument {name}")

    def check_used(self):
        for line in self.lines:
            for pattern in line.symbols:
                if pattern not in line.used:
                    raise apispec.SpecError(line.where, f"no call fits {pattern}")


def types(call):
    """Argument -> C type, as the program passes it."""
    if call.raw:
        return dict(call.raw)
    found = {}
    for arg in call.args:
        text = c.parameter(arg)
        found[arg.name] = text[:len(text) - len(arg.name)].strip()
    return found
