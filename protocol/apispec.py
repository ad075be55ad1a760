# SPDX-License-Identifier: MIT
"""The spec of the CUDA driver API (cuda.api): its grammar, parsed and checked.

A spec is lines; `#` begins a comment. Declarations:

    handle TYPE [accepts T ...] [pass V ...] [bad CODE] [gone CODE]
                                 an opaque object; handles of the types T do as well; V are values
                                 that are never looked up; what CUDA answers to NULL and what is none
                                 (INVALID_HANDLE), and to one that has been destroyed (as bad)
    number TYPE                  an object that kernels know by its number: the driver's own value goes
                                 to the guest, and only one that the session has may come back
    plain TYPE ...               types passed by value as they are (no pointers, no handles inside)
    include FILE                 the lines of another file of the same folder
    refuse NAME ... : REASON     exported symbols that are not carried, and why (for the coverage
                                 table); NAME may end with *
    answer ERROR NAME ... : REASON
                                 exported symbols that the driver itself answers so, whatever they
                                 are asked: the guest does, too
    call NUMBER NAME             a call; NAME is the driver's exported symbol, or vgName for a call
                                 of our own between the guest's library and the executor
        PROPERTY ...             of the call, see PROPERTIES
        also NAME ...            other exported names of the same function
        like NAME                properties and arguments are those of an earlier call, which is
                                 replayed by its own name
        in    NAME TYPE [attr]   an argument, in C order
        out   NAME TYPE [attr]
        inout NAME TYPE [attr]
        raw   NAME C-TYPE [many] [shows T]
                                 (nowire only) as the program passes it; many: it points to several

TYPE is one of
    T            a plain value or a handle (for out: a pointer to one)
    T*           a pointer to one T (in only)
    T[EXPR]      EXPR elements of T (plain or handle)
    bytes[EXPR]  EXPR bytes; string: NUL-terminated text (out: string[EXPR], EXPR bytes of room)
    bulk[EXPR]   EXPR bytes, streamed through the ring, one a call and direction
EXPR is C over the call's other arguments.

Attributes: opt (may be NULL), null (handle: may be 0), destroy (the handle ends here), counted (with
destroy: only with the last of as many as there were retains, which the executor counts), mut (the
prototype has no const), covers EXPR (so many bytes from this address must be the session's),
align N (the address is a multiple of N), least EXPR
(a number of at least that), below EXPR (one under that), only EXPR (no other bits than those), mint (the guest makes the handle), of ARG (the handle ends
when ARG's does; otherwise with the current context), ready (handle: the guest calls fe_ready_TYPE before
anything is sent), shows T (for logs: a number that is a handle of type T, bits of the enumeration T, or, T
being CUdeviceptr, an address), spans ARG (an address from which on ARG, another argument, is the number of bytes).

Numbers are never used again for another call.
"""

import hashlib
import os
import re

PROPERTIES = {
    "guest": "fe_NAME in xen-frontend/libcuda is hand-written; it may call the generated rpc_NAME",
    "nowire": "answered in the guest alone: nothing is sent",
    "exec": "ex_NAME in dom0-executor is hand-written and called instead of the driver's function",
    "undone": "ex_NAME_failed in dom0-executor is told what was sent when it has failed asynchronously, wherever (exec only)",
    "either": "synchronous or asynchronous, as rpc_NAME's last argument says",
    "async": "returns when the command is in the ring; errors are reported later",
    "reports": "returns an earlier asynchronous error of this thread",
    "refuses": "checks what it is given, then answers CUDA_ERROR_NOT_SUPPORTED (nowire only; `refuse` says why)",
    "noinit": "works before cuInit",
    "nocontext": "does not need the thread's current context in the executor",
    "maycontext": "runs in the thread's current context if that lives, without one otherwise",
    "streamcontext": "needs it for a default stream only: other streams have their own",
    "unordered": "has no place in the order over threads: does not touch the driver",
    "onstream": "among threads it comes after what has used its stream, event or graph only, and after calls without this word; "
                "not on a default stream that all threads share",
    "names": "the memory that it covers is named only, not read or written",
    "anyerror": "outputs are sent with errors too (exec only)",
}
ATTRIBUTES = {
    "in": {"null", "opt", "destroy", "counted", "mut", "covers", "align", "least", "below", "only", "ready",
           "shows"},
    "out": {"opt", "mint", "of", "shows", "spans"},
    "inout": {"opt", "shows"},
}
WITH_VALUE = ("of", "covers", "align", "least", "below", "only", "shows", "spans")
OPS_MAX = 1024
# Names that generated code uses for itself.
RESERVED = {"args", "ret", "call", "result", "real", "reals", "asynchronous", "i", "in", "out"}


class SpecError(Exception):
    """An error in a spec, with its place."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")


def statements(path, digest):
    """The lines of a spec that say something: (place, whether it is indented, words). They go into digest."""
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#", 1)[0].split()
            if words:
                digest.update((" ".join(words) + "\n").encode())
                yield f"{path}:{number}", line[0].isspace(), words


class Arg:
    """One argument: direction, kind and what the generators need to know."""

    def __init__(self, where, direction, name, ctype, attrs, spec):
        self.where, self.direction, self.name = where, direction, name
        self.attrs = attrs
        self.count = None
        match = re.fullmatch(r"(\w+)(\*|\[(.+)\])?", ctype)
        if not match:
            raise SpecError(where, f"cannot read the type '{ctype}'")
        self.base, suffix, self.count = match.group(1), match.group(2), match.group(3)
        if self.base == "string":
            self.kind = "string"
        elif self.base == "bulk":
            self.kind = "bulk"
        elif self.base == "bytes":
            self.kind = "bytes"
        elif self.base in spec.numbers:
            self.kind = "value"
        elif self.base in spec.handles:
            self.kind = "handles" if suffix else "handle"
        elif self.base in spec.plain:
            self.kind = {None: "value", "*": "pointer"}.get(suffix, "array")
        else:
            raise SpecError(where, f"type {self.base} is neither a handle nor declared plain")
        self.number = self.base in spec.numbers
        self._check(suffix)

    def _check(self, suffix):
        if self.number and suffix:
            raise SpecError(self.where, f"{self.name}: numbers go one by one")
        if "ready" in self.attrs and self.kind != "handle":
            raise SpecError(self.where, "ready is for handles")
        if "destroy" in self.attrs and not (self.number or self.kind == "handle"):
            raise SpecError(self.where, f"{self.name}: destroy is for handles and numbers")
        if suffix == "*" and (self.kind != "pointer" or self.direction != "in"):
            raise SpecError(self.where, f"{self.name}: T* is for plain inputs; out T is a pointer")
        if self.kind in ("bytes", "bulk") and not self.count:
            raise SpecError(self.where, f"{self.name}: {self.base} needs [length]")
        if self.kind == "string" and (self.direction == "out") != bool(self.count):
            raise SpecError(self.where, f"{self.name}: string in, or string[room] out")
        if self.direction == "inout" and self.kind != "value":
            raise SpecError(self.where, f"{self.name}: inout is for plain values")
        for attr in self.attrs:
            if attr not in ATTRIBUTES[self.direction]:
                raise SpecError(self.where, f"{self.name}: no attribute '{attr}' for {self.direction}")
        if "mint" in self.attrs and self.kind != "handle":
            raise SpecError(self.where, f"{self.name}: mint is for handles")
        if "of" in self.attrs and self.kind not in ("handle", "handles") and not self.number:
            raise SpecError(self.where, f"{self.name}: of is for handles and numbers")

    @property
    def opt(self):
        return "opt" in self.attrs

    @property
    def count_reads(self):
        """Its count lies behind a pointer."""
        return bool(re.search(r"(^|[(+\-,*])\*", self.count or ""))

    @property
    def variable(self):
        """Has a part of its own after the fixed arguments."""
        return self.kind in ("pointer", "array", "handles", "bytes", "string")


class Call:
    """One call of the spec."""

    def __init__(self, where, number, name):
        self.where, self.number, self.name = where, number, name
        self.props = set()
        self.also = []
        self.args = []
        self.raw = []  # (name, C type) of nowire calls
        self.raw_attrs = {}  # of these, by name

    def has(self, prop):
        return prop in self.props

    @property
    def internal(self):
        return self.name.startswith("vg")

    @property
    def wire(self):
        return not self.has("nowire")

    @property
    def ins(self):
        return [a for a in self.args if a.direction in ("in", "inout")]

    @property
    def outs(self):
        return [a for a in self.args if a.direction in ("out", "inout")]

    @property
    def stream(self):
        """Name of the stream argument whose NULL means the default stream."""
        for arg in self.args:
            if arg.direction == "in" and arg.kind == "handle" and arg.base == "CUstream":
                return arg.name
        for name, ctype in self.raw:
            if ctype == "CUstream":
                return name
        return None

    @property
    def keys(self):
        """Names of the handles that an `onstream` call is ordered by, the stream first."""
        names = [arg.name for base in ("CUstream", "CUevent", "CUgraphExec") for arg in self.args
                 if arg.direction == "in" and arg.kind == "handle" and arg.base == base]
        return names if self.has("onstream") else []

    @property
    def captures_anything(self):
        """It can be captured with any address: an unknown one is the executor's to judge, at once."""
        return bool(self.stream and self.has("async") and
                    any("covers" in arg.attrs for arg in self.args))

    def bulk(self, direction):
        for arg in self.args:
            if arg.kind == "bulk" and arg.direction == direction:
                return arg
        return None

    def check(self):
        where, name = self.where, self.name
        if self.has("nowire") and not self.has("guest"):
            raise SpecError(where, f"{name}: nowire without guest: nobody would answer it")
        if self.has("refuses") and self.wire:
            raise SpecError(where, f"{name}: what is refused is not sent")
        if self.internal and not self.has("exec"):
            raise SpecError(where, f"{name}: a call of our own needs exec")
        if self.has("async") or self.has("either"):
            for arg in self.outs:
                if "mint" not in arg.attrs:
                    raise SpecError(arg.where, f"{name}: an asynchronous call cannot return {arg.name}")
        if self.has("anyerror") and not self.has("exec"):
            raise SpecError(where, f"{name}: anyerror needs exec")
        if self.has("undone") and not (self.has("exec") and self.ins and (self.has("async") or self.has("either"))):
            raise SpecError(where, f"{name}: undone is for asynchronous calls with exec and arguments")
        for direction in ("in", "out"):
            bulks = [a for a in self.args if a.kind == "bulk" and a.direction == direction]
            if len(bulks) > 1:
                raise SpecError(bulks[1].where, f"{name}: more than one bulk {direction}")
            if bulks and direction == "out" and not self.has("exec"):
                raise SpecError(bulks[0].where, f"{name}: bulk out needs exec")
        if len([a for a in self.args if a.variable and a.direction == "in"]) > 5 or \
                len([a for a in self.args if a.variable and a.direction == "out"]) > 5:
            raise SpecError(where, f"{name}: more than 5 variable arguments one way")
        if self.raw and (self.wire or self.args):
            raise SpecError(where, f"{name}: raw arguments are for nowire calls, all or none")
        if self.args and not self.wire:
            raise SpecError(where, f"{name}: nowire calls have raw arguments")
        for arg in self.args:
            if arg.name in RESERVED:
                raise SpecError(arg.where, f"{name}: the generated code needs the name {arg.name}")
        names = [a.name for a in self.args]
        for arg in self.args:
            if names.count(arg.name) > 1:
                raise SpecError(arg.where, f"{name}: two arguments named {arg.name}")
            if "of" in arg.attrs and arg.attrs["of"] not in names:
                raise SpecError(arg.where, f"{name}: {arg.name} is of an unknown argument")


class Spec:
    """A whole spec: handles, plain types, calls by number."""

    def __init__(self):
        self.handles = {}
        self.numbers = set()
        self.plain = set()
        self.calls = []
        self.refused = []  # (names, reason)
        self.answered = {}  # symbol: (the driver's own error, reason)
        self._numbers = {}
        self._names = {}
        self._hash = hashlib.sha256()

    @property
    def hash(self):
        return int.from_bytes(self._hash.digest()[:8], "little")

    def read(self, path):
        self._read(path, ())
        for each in self.calls:
            each.check()

    def _read(self, path, above):
        call = None
        for where, indented, words in statements(path, self._hash):
            if indented:
                if not call:
                    raise SpecError(where, "indented, but no call is open")
                self._line(call, where, words)
            elif words[0] == "include" and len(words) == 2:
                call = None
                self._include(where, os.path.join(os.path.dirname(path), words[1]), above + (path,))
            else:
                call = self._declaration(where, words)

    def _include(self, where, path, above):
        if path in above:
            raise SpecError(where, f"{path} includes itself")
        try:
            self._read(path, above)
        except OSError as error:
            raise SpecError(where, f"{path}: {error.strerror}") from None

    def _declaration(self, where, words):
        if words[0] == "handle" and len(words) >= 2:
            self.handles[words[1]] = self._handle(where, words)
        elif words[0] == "number" and len(words) == 2:
            self.handles[words[1]] = self._handle(where, words)
            self.numbers.add(words[1])
        elif words[0] == "plain" and len(words) >= 2:
            self.plain.update(words[1:])
        elif words[0] == "refuse":
            self._refuse(where, words[1:])
        elif words[0] == "answer":
            self._answer(where, words[1:])
        elif words[0] == "call" and len(words) == 3:
            return self._call(where, words)
        else:
            raise SpecError(where, f"cannot read '{' '.join(words)}'")
        return None

    def _refuse(self, where, words):
        if ":" not in words or not 0 < words.index(":") < len(words) - 1:
            raise SpecError(where, "refuse NAME ... : REASON")
        colon = words.index(":")
        self.refused.append((words[:colon], " ".join(words[colon + 1:])))

    def _answer(self, where, words):
        if ":" not in words or not 1 < words.index(":") < len(words) - 1 or \
                not words[0].startswith("CUDA_ERROR_"):
            raise SpecError(where, "answer ERROR NAME ... : REASON")
        colon = words.index(":")
        for name in words[1:colon]:
            if name in self.answered:
                raise SpecError(where, f"{name} is answered already")
            self.answered[name] = (words[0], " ".join(words[colon + 1:]))

    def reason(self, symbol):
        """Why an exported symbol is not carried; None: nobody has said."""
        for names, reason in self.refused:
            for name in names:
                if symbol == name or name.endswith("*") and symbol.startswith(name[:-1]):
                    return reason
        return None

    def _like(self, call, where, words):
        if len(words) != 1 or words[0] not in self._names or call.args or call.raw:
            raise SpecError(where, "like NAME, of an earlier call, before any argument")
        other = self._names[words[0]]
        call.props |= other.props
        call.args, call.raw = list(other.args), list(other.raw)
        call.raw_attrs = dict(other.raw_attrs)

    @staticmethod
    def _handle(where, words):
        handle, key = {"accepts": [], "pass": [], "bad": [], "gone": []}, None
        for word in words[2:]:
            if word in handle:
                key = word
            elif not key:
                raise SpecError(where, f"expected accepts, pass, bad or gone, found '{word}'")
            else:
                handle[key].append(int(word, 0) if key == "pass" else word)
        return handle

    def _call(self, where, words):
        try:
            number = int(words[1], 0)
        except ValueError:
            raise SpecError(where, f"'{words[1]}' is not a number") from None
        if not 0 < number < OPS_MAX:
            raise SpecError(where, f"numbers are 1 to {OPS_MAX - 1}")
        if number in self._numbers:
            raise SpecError(where, f"number {number} is {self._numbers[number].name}'s")
        if words[2] in self._names:
            raise SpecError(where, f"{words[2]} stands at {self._names[words[2]].where} already")
        call = Call(where, number, words[2])
        self._numbers[number] = self._names[words[2]] = call
        self.calls.append(call)
        return call

    @staticmethod
    def _raw(call, where, words):
        attrs = {}
        if len(words) > 3 and words[-2] == "shows":
            attrs["shows"] = words.pop()
            words.pop()
        if len(words) > 2 and words[-1] == "many":
            attrs[words.pop()] = True
        if len(words) < 2:
            raise SpecError(where, "raw NAME C-TYPE")
        call.raw.append((words[0], " ".join(words[1:])))
        call.raw_attrs[words[0]] = attrs

    def _line(self, call, where, words):
        if words[0] in ATTRIBUTES:
            if len(words) < 3:
                raise SpecError(where, f"{words[0]} NAME TYPE [attributes]")
            attrs, rest = {}, words[3:]
            while rest:
                key = rest.pop(0)
                attrs[key] = rest.pop(0) if key in WITH_VALUE and rest else True
            call.args.append(Arg(where, words[0], words[1], words[2], attrs, self))
        elif words[0] == "raw":
            self._raw(call, where, words[1:])
        elif words[0] == "also":
            call.also += words[1:]
        elif words[0] == "like":
            self._like(call, where, words[1:])
        else:
            for word in words:
                if word not in PROPERTIES:
                    raise SpecError(where, f"'{word}' is not a property of a call")
                call.props.add(word)


def read_words(path):
    """The first column of a data file, comments left out."""
    with open(path, encoding="utf-8") as lines:
        return [l.split()[0] for l in lines if l.strip() and not l.startswith("#")]


def read_table(path):
    """The rows of a tab-separated data file, comments left out."""
    with open(path, encoding="utf-8") as lines:
        return [l.rstrip("\n").split("\t") for l in lines if l.strip() and not l.startswith("#")]
