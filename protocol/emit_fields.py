# SPDX-License-Identifier: MIT
"""Emitter of what logs and traces decode calls by (protocol/call_fields.h): one table of fields for each call, by
which both its bytes on the wire and the program's own arguments are shown, and the names of enumerations."""

import glob
import os
import re

import apispec
import emit_common as c

HERE = os.path.dirname(os.path.abspath(__file__))
SIGNED = ("int", "int64_t", "CUdevice")
UNSIGNED = ("unsigned", "unsigned int", "uint32_t", "uint64_t", "size_t", "cuuint32_t", "cuuint64_t", "uchar",
            "ushort", "ulonglong", "unsigned char", "unsigned short", "unsigned long long", "CUlogIterator")
NONE = "VG_FIELD_NONE"


class Headers:
    """What the headers of CUDA's types declare: enumerations with their constants, and places (pointers, functions)."""

    def __init__(self):
        self.enums, self.places = {}, set()
        paths = [os.path.join(HERE, "cuda_types.h"), *sorted(glob.glob(os.path.join(HERE, "cuda", "*.h")))]
        for path in paths:
            with open(path, encoding="utf-8") as header:
                self._read(re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S))

    def _read(self, text):
        for body, name in re.findall(r"typedef enum\b[^{;]*\{([^}]*)\}\s*(\w+)\s*;", text):
            self.enums[name] = re.findall(r"(\w+)\s*=", body)
        self.places.update(re.findall(r"typedef struct \w+ \*(\w+);", text))
        self.places.update(re.findall(r"typedef [^;{]*\(\*(\w+)\)", text))


class Tables:
    """The tables under construction: texts, constants, fields."""

    def __init__(self, spec):
        self.spec, self.headers = spec, Headers()
        self.texts, self.length = {}, 0
        self.enums, self.constants = {}, []
        self.fields = []

    def text(self, text):
        """Where a text is in the pool."""
        if text not in self.texts:
            self.texts[text] = self.length
            self.length += len(text) + 1
        return self.texts[text]

    def enum(self, name):
        """An enumeration's number."""
        if name not in self.enums:
            constants = [k for k in self.headers.enums[name] if not k.endswith("_MAX")]
            self.enums[name] = (len(self.enums), len(self.constants), len(constants))
            self.constants += constants
        return self.enums[name][0]

    def type(self, base, shows, name, where):
        """(class, number of its type) of one element."""
        if shows == "CUdeviceptr":
            return "ADDRESS", 0
        if shows and shows in self.headers.enums:
            return "FLAGS", self.enum(shows)
        if shows and shows in self.spec.handles:
            return "HANDLE", f"VG_HANDLE_{shows}"
        if shows:
            raise apispec.SpecError(where, f"{name} shows {shows}, which is neither a handle nor an enumeration")
        if base == "CUresult":
            return "RESULT", 0
        if base in self.spec.handles and base not in self.spec.numbers:
            return "HANDLE", f"VG_HANDLE_{base}"
        if base in self.headers.enums:
            return "ENUM", self.enum(base)
        if base in ("CUdeviceptr", "void *") or base in self.headers.places:
            return "ADDRESS", 0
        if base in SIGNED:
            return "SIGNED", 0
        if base in self.spec.numbers:
            return "NUMBER", f"VG_HANDLE_{base}"
        if base in UNSIGNED and name.lower().endswith("flags"):
            return "HEX", 0
        if base in UNSIGNED:
            return "UNSIGNED", 0
        return {"float": "FLOAT", "char": "TEXT", "string": "TEXT"}.get(base, "BYTES"), 0

    def add(self, name, shape, ways, kind, number, size, at_in, at_out, span=NONE):
        flags = " | ".join(f"VG_FIELD_{way}" for way in ways)
        self.fields.append(f"\t{{{self.text(name)}, VG_SHAPE_{shape}, {flags}, VG_CLASS_{kind}, {number}, {size}, "
                           f"{at_in}, {at_out}, {span}}}, /* {name} */")


def _shape(arg):
    if arg.kind in ("string", "bulk", "bytes"):
        return arg.kind.upper()
    if arg.kind in ("array", "pointer", "handles"):
        return "BYTES" if arg.base == "char" else "ARRAY"
    return "ONE"


def _span(call, arg):
    """The number among the call's fields of the one that says how many bytes are at this address."""
    name = arg.attrs.get("spans")
    if not name:
        return NONE
    places = [at for at, other in enumerate(call.args) if other.name == name and other.kind == "value"]
    if not places:
        raise apispec.SpecError(arg.where, f"{arg.name} spans {name}, which is no number among the arguments")
    return places[0]


def _wire_field(tables, call, arg):
    kind, number = tables.type(arg.base, arg.attrs.get("shows"), arg.name, arg.where)
    shape = "STRING" if arg.base == "char" and arg.variable else _shape(arg)
    size = "1" if arg.kind == "bulk" else f"sizeof({'uint64_t' if kind == 'HANDLE' else c.ctype(arg.base)})"
    ways = {"in": ["IN"], "out": ["OUT"], "inout": ["IN", "OUT"]}[arg.direction]
    at_in = at_out = NONE
    if arg.direction != "out":
        name = f"n_{arg.name}" if arg.variable else arg.name
        at_in = NONE if arg.kind == "bulk" else f"offsetof(struct vg_args_{call.name}, {name})"
    if "mint" in arg.attrs:
        ways.append("MINT")
        at_in = f"offsetof(struct vg_args_{call.name}, {arg.name})"
    elif arg.direction != "in" and arg.kind != "bulk":
        name = f"n_{arg.name}" if arg.variable else arg.name
        at_out = f"offsetof(struct vg_ret_{call.name}, {name})"
    tables.add(arg.name, shape, ways, kind, number, size, at_in, at_out, _span(call, arg))


def _raw_field(tables, call, name, ctype):
    attrs = call.raw_attrs[name]
    words = ctype.replace("*", " * ").split()
    const, stars = "const" in words, words.count("*")
    base = " ".join(word for word in words if word not in ("const", "*"))
    if stars == 2:
        base, stars = ("char *" if base == "char" else "void *"), 1
        const = False
    kind, number = tables.type(base, attrs.get("shows"), name, call.where)
    shape, ways = "ONE", ["IN"]
    if base == "char *":
        shape, ways, kind = "STRING_AT", ["OUT"], "TEXT"
    elif stars and base == "char":
        shape, ways = "STRING", ["IN" if const else "OUT"]
    elif stars and (const or base == "void" or kind == "BYTES" or "many" in attrs):
        kind, number, base = "ADDRESS", 0, "void *"
    elif stars:
        ways = ["OUT"]
    tables.add(name, shape, ways, kind, number, f"sizeof({c.ctype(base)})", NONE, NONE)


def _call(tables, call):
    first = len(tables.fields)
    for arg in call.args:
        _wire_field(tables, call, arg)
    for name, ctype in call.raw:
        _raw_field(tables, call, name, ctype)
    fixed = [f"sizeof(struct vg_{what}_{call.name})" if call.wire and fields(call) else "0"
             for what, fields in (("args", c.args_fields), ("ret", c.ret_fields))]
    return f"\t[VG_OP_{call.name}] = {{{first}, {len(tables.fields) - first}, {fixed[0]}, {fixed[1]}}},"


def tables(spec):
    made = Tables(spec)
    calls = [_call(made, call) for call in spec.calls]
    constants = [f"\t{{(int64_t)(int32_t){name}, {made.text(name)}}}, /* {name} */" for name in made.constants]
    out = [c.head("what calls are shown by"), '#include "protocol/call_fields.h"\n', "#include <stddef.h>\n",
           '#include "protocol/calls.h"\n', "const char vg_field_texts[] ="]
    out += [f'\t"{text}\\0" /* {at} */' for text, at in made.texts.items()]
    out += ["\t;\n", "const struct vg_constant vg_constants[] = {"]
    out += [*constants, "\t{0, 0},", "};\n", "const struct vg_enumeration vg_enumerations[] = {"]
    out += [f"\t{{{first}, {count}}}, /* {name} */" for name, (_, first, count) in made.enums.items()]
    out += ["\t{0, 0},", "};", f"const unsigned int vg_enumerations_count = {len(made.enums)};\n",
            "const struct vg_field vg_fields[] = {", *made.fields, "\t{0, 0, 0, 0, 0, 0, 0, 0, 0},", "};\n",
            "static const struct vg_call_fields calls[VG_OP_END] = {", *calls, "};\n",
            "const struct vg_call_fields *vg_call_fields(unsigned int op)", "{",
            "\tstatic const struct vg_call_fields none;\n", "\treturn op < VG_OP_END ? &calls[op] : &none;", "}"]
    return "\n".join(out) + "\n"
