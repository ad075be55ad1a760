# SPDX-License-Identifier: MIT
"""Emitters of what both sides share: ops, layouts, handle types, prototypes, names, errors."""

import emit_common as c


def handle_types(spec):
    out = [c.head("the types of handles"), "#ifndef VG_HANDLE_TYPES_H\n#define VG_HANDLE_TYPES_H\n",
           "#include <stdbool.h>\n#include <stdint.h>\n", "enum vg_handle_type {",
           "\tVG_HANDLE_NONE = 0,"]
    out += [f"\tVG_HANDLE_{name} = {i}," for i, name in enumerate(spec.handles, 1)]
    out += [f"\tVG_HANDLE_TYPES = {len(spec.handles) + 1},", "};\n",
            "/* Values of a type that stand for themselves. */",
            "static inline bool vg_handle_passes(enum vg_handle_type type, uint64_t value)", "{",
            "\tswitch (type) {"]
    for name, how in spec.handles.items():
        if how["pass"]:
            test = " || ".join(f"value == {v}u" for v in how["pass"])
            out += [f"\tcase VG_HANDLE_{name}:", f"\t\treturn {test};"]
    out += ["\tdefault:", "\t\treturn false;", "\t}", "}\n",
            "/* True when a handle of type `other` may stand where one of `type` is wanted. */",
            "static inline bool vg_handle_accepts(enum vg_handle_type type, unsigned int other)",
            "{", "\tif (other == (unsigned int)type)", "\t\treturn true;", "\tswitch (type) {"]
    for name, how in spec.handles.items():
        if how["accepts"]:
            test = " || ".join(f"other == VG_HANDLE_{v}" for v in how["accepts"])
            out += [f"\tcase VG_HANDLE_{name}:", f"\t\treturn {test};"]
    out += ["\tdefault:", "\t\treturn false;", "\t}", "}\n",
            "const char *vg_handle_type_name(unsigned int type);\n", "#endif"]
    return "\n".join(out) + "\n"


def layout(call, what, fields):
    if not fields:
        return []
    out = [f"struct vg_{what}_{call.name} {{"]
    out += [f"\t{c.declare(t, n)} VG_FIELD;" for t, n in fields]
    return out + ["};"]


def handle_error(spec):
    out = ["/* What CUDA answers to a handle that is none, or is no more (gone). */",
           "static inline CUresult vg_handle_error(enum vg_handle_type type, bool gone)", "{",
           "\tswitch (type) {"]
    for name, how in spec.handles.items():
        bad = (how["bad"] or ["INVALID_HANDLE"])[0]
        gone = (how["gone"] or [bad])[0]
        if bad != gone:
            out.append(f"\tcase VG_HANDLE_{name}: return gone ? CUDA_ERROR_{gone} : CUDA_ERROR_{bad};")
        elif bad != "INVALID_HANDLE":
            out.append(f"\tcase VG_HANDLE_{name}: return CUDA_ERROR_{bad};")
    return out + ["\tdefault: return CUDA_ERROR_INVALID_HANDLE;", "\t}", "}\n"]


def calls_header(spec):
    out = [c.head("operations and the layout of their arguments"),
           "#ifndef VG_CALLS_H\n#define VG_CALLS_H\n", "#include <stdint.h>\n",
           '#include "protocol/cuda_types.h"', '#include "protocol/handle.h"',
           '#include "protocol/session_info.h"\n',
           "/* Both ends must be built from the same spec. */",
           f"#define VG_SPEC_HASH 0x{spec.hash:016x}ull\n", "enum vg_op {"]
    out += [f"\tVG_OP_{call.name} = {call.number}," for call in spec.calls]
    out += ["\tVG_OP_END = %d," % (max(call.number for call in spec.calls) + 1), "};\n",
            *handle_error(spec), "#define VG_FIELD __attribute__((aligned(8)))", "#define VG_ROOM_NULL UINT64_MAX\n"]
    for call in spec.calls:
        if call.wire:
            out += layout(call, "args", c.args_fields(call))
            out += layout(call, "ret", c.ret_fields(call))
    out += ["\n#endif"]
    return "\n".join(out) + "\n"


def op_names(spec):
    names = sorted(spec.calls, key=lambda call: call.number)
    out = [c.head("names of operations and handle types"), "#include <stddef.h>\n",
           '#include "protocol/handle.h"', '#include "protocol/op_names.h"\n',
           "static const char *const op_names[] = {"]
    out += [f'\t[{call.number}] = "{call.name}",' for call in names]
    out += ["};\n", "const char *vg_op_name(unsigned int op)", "{",
            "\tif (op < sizeof(op_names) / sizeof(op_names[0]) && op_names[op])",
            "\t\treturn op_names[op];", '\treturn "?";', "}\n",
            "const char *vg_handle_type_name(unsigned int type)", "{", "\tswitch (type) {"]
    for name in spec.handles:
        out += [f"\tcase VG_HANDLE_{name}:", f'\t\treturn "{name}";']
    out += ["\tdefault:", '\t\treturn "?";', "\t}", "}"]
    return "\n".join(out) + "\n"


def prototypes(spec, variants):
    out = [c.head("prototypes of the exported functions"),
           "#ifndef VG_CUDA_PROTO_H\n#define VG_CUDA_PROTO_H\n",
           '#include "protocol/cuda_types.h"\n', "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"]
    for call in spec.calls:
        if not call.internal:
            for symbol, _ in variants.of(call):
                out.append(f"CUresult {symbol}({c.parameters(call)});")
    out += ["\n#ifdef __cplusplus\n}\n#endif\n", "#endif"]
    return "\n".join(out) + "\n"


def errors(rows):
    out = [c.head("names and texts of CUresult"), '#include "protocol/errors.h"\n',
           "#include <stddef.h>\n",
           "static const struct {\n\tint code;\n\tconst char *name, *text;\n} errors[] = {"]
    for code, name, text in rows:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        out.append(f'\t{{{code}, "{name}", "{text}"}},')
    out.append("};")
    for what in ("name", "text"):
        out += ["", f"const char *vg_error_{what}(int code)", "{",
                "\tfor (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {",
                "\t\tif (errors[i].code == code)", f"\t\t\treturn errors[i].{what};", "\t}",
                "\treturn NULL;", "}"]
    return "\n".join(out) + "\n"
