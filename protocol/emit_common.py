# SPDX-License-Identifier: MIT
"""What the emitters share: C types, the layout of a call's arguments, file heads."""

ALIASES = {
    "unsigned": "unsigned int",
    "uchar": "unsigned char",
    "ushort": "unsigned short",
    "ulonglong": "unsigned long long",
    "vg_copy_box": "struct vg_copy_box",
    "bytes": "uint8_t",
    "string": "char",
}


def ctype(base):
    return ALIASES.get(base, base)


def head(what):
    return f"/* Generated from protocol/cuda.api by protocol/apigen.py: {what}. Do not edit. */\n"


def declare(base, name):
    """`T name`, with the star where C wants it."""
    return f"{base}{name}" if base.endswith("*") else f"{base} {name}"


def parameter(arg):
    """One parameter as the program passes it."""
    base = ctype(arg.base)
    const = "" if arg.direction != "in" or "mut" in arg.attrs else "const "
    if arg.kind in ("value", "handle"):
        return f"{base} {arg.name}" if arg.direction == "in" else f"{base} *{arg.name}"
    if arg.kind in ("bytes", "bulk"):
        return f"{const}void *{arg.name}"
    return f"{const}{base} *{arg.name}"


def parameters(call, last=()):
    """A whole parameter list."""
    if call.raw:
        params = [declare(t, n) for n, t in call.raw]
    else:
        params = [parameter(a) for a in call.args]
    return ", ".join(params + list(last)) or "void"


def arguments(call):
    names = [n for n, _ in call.raw] if call.raw else [a.name for a in call.args]
    return ", ".join(names)


def args_fields(call):
    """(C type, name) of the command's fixed arguments, in order."""
    fields = []
    for arg in call.args:
        if arg.direction == "in":
            if arg.kind == "value":
                fields.append((ctype(arg.base), arg.name))
            elif arg.kind == "handle":
                fields.append(("uint64_t", arg.name))
            elif arg.kind != "bulk":
                fields.append(("uint64_t", f"n_{arg.name}"))
        elif arg.direction == "inout":
            fields.append((ctype(arg.base), arg.name))
        elif "mint" in arg.attrs:
            fields.append(("uint64_t", arg.name))
        elif arg.variable:
            fields.append(("uint64_t", f"room_{arg.name}"))
    return fields


def ret_fields(call):
    """(C type, name) of the reply's fixed part, in order."""
    fields = []
    for arg in call.outs:
        if arg.kind == "bulk" or "mint" in arg.attrs:
            continue
        if arg.variable:
            fields.append(("uint64_t", f"n_{arg.name}"))
        elif arg.kind == "handle":
            fields.append(("uint64_t", arg.name))
        else:
            fields.append((ctype(arg.base), arg.name))
    return fields


def value_checks(arg):
    """Statements that return CUDA_ERROR_INVALID_VALUE for a value that its attributes do not allow."""
    tests = {"align": "{0} % {1}", "only": "{0} & ~(unsigned int)({1})", "least": "{0} < ({1})",
             "below": "(unsigned int){0} >= (unsigned int)({1})"}
    out = []
    for attr, test in tests.items():
        if attr in arg.attrs:
            out += [f"\tif ({test.format(arg.name, arg.attrs[attr])})", "\t\treturn CUDA_ERROR_INVALID_VALUE;"]
    return out


def count_expr(arg):
    return {"pointer": "1", "string": None}.get(arg.kind, arg.count)


def element(arg):
    """C type of one element of a variable part on the wire."""
    return "uint64_t" if arg.kind == "handles" else ctype(arg.base)


class Variants:
    """Which exported symbols a call serves."""

    def __init__(self, exports):
        self.exports = set(exports)

    def of(self, call):
        """(symbol, variant) with variant '', 'ptsz' or 'ptds'."""
        found = []
        for name in [call.name] + call.also:
            for variant, suffix in (("", ""), ("ptsz", "_ptsz"), ("ptds", "_ptds")):
                if name + suffix in self.exports:
                    found.append((name + suffix, variant))
        return found

    def has_ptds(self, call):
        return call.name + "_ptds" in self.exports
