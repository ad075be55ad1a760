# SPDX-License-Identifier: MIT
"""Emitters of NVML: the guest's stubs and exports, the executor's dispatch, prototypes."""

from emit_common import declare

ALIASES = {"unsigned": "unsigned int", "ulonglong": "unsigned long long", "ulong": "unsigned long"}


def ctype(base):
    return ALIASES.get(base, base)


def raw_ctype(text):
    return " ".join(ALIASES.get(w, w) for w in text.split())


def head(what):
    return f"/* Generated from protocol/nvml.api by protocol/nvmlgen.py: {what}. Do not edit. */\n"


def parameters(call):
    out = [declare(raw_ctype(t), n) for n, t in call.raw]
    for arg in call.args:
        if arg.kind == "device":
            out.append(f"nvmlDevice_t {arg.name}")
        elif arg.kind == "in":
            out.append(f"{ctype(arg.base)} {arg.name}")
        elif arg.kind == "list":
            out += [f"unsigned int *{arg.count}", f"{ctype(arg.base)} *{arg.name}"]
        elif arg.kind == "fields":
            out += [f"int {arg.count}", f"{ctype(arg.base)} *{arg.name}"]
        else:
            out.append(f"{ctype(arg.base) if arg.base else 'char'} *{arg.name}")
            if arg.length:
                out.append(f"unsigned int {arg.length}")
    return ", ".join(out) or "void"


def names(call):
    return ", ".join([n for n, _ in call.raw] + [n for a in call.args for n in a.names])


def served(spec):
    return {symbol: call for call in spec.calls for symbol in call.symbols}


# --- both sides ------------------------------------------------------------------------------------

def ops(spec):
    out = [head("operations"), "#ifndef VG_NVML_OPS_H\n#define VG_NVML_OPS_H\n",
           "/* Both ends must be built from the same spec. */",
           f"#define VG_NVML_HASH 0x{spec.hash:016x}ull\n", "enum vg_nvml_op {"]
    sent = [c for c in spec.calls if not c.guest]
    out += [f"\tVG_NVML_{call.name} = {call.number}," for call in sent]
    out += [f"\tVG_NVML_END = {max(c.number for c in spec.calls) + 1},", "};\n", "#endif"]
    return "\n".join(out) + "\n"


def prototypes(spec):
    out = [head("prototypes of the exported functions"),
           "#ifndef VG_NVML_PROTO_H\n#define VG_NVML_PROTO_H\n", '#include "protocol/nvml_types.h"\n',
           "const char *nvmlErrorString(nvmlReturn_t result);",
           "nvmlReturn_t nvmlInit(void);", "nvmlReturn_t nvmlInit_v2(void);",
           "nvmlReturn_t nvmlInitWithFlags(unsigned int flags);", "nvmlReturn_t nvmlShutdown(void);"]
    out += [f"nvmlReturn_t {symbol}({parameters(call)});" for symbol, call in served(spec).items()]
    return "\n".join(out + ["\n#endif"]) + "\n"


# --- the guest -------------------------------------------------------------------------------------

def guest_header(spec):
    out = [head("the guest's stubs, and the halves that are written by hand"),
           "#ifndef FE_NVML_CALLS_H\n#define FE_NVML_CALLS_H\n", '#include "protocol/nvml_types.h"\n',
           "/* Ask the executor. */"]
    out += [f"nvmlReturn_t rpc_{c.name}({parameters(c)});" for c in spec.calls if not c.guest]
    out += ["", "/* Written by hand: what the exported function of that name does. */"]
    out += [f"nvmlReturn_t fe_{c.name}({parameters(c)});" for c in spec.calls if c.guest]
    return "\n".join(out + ["", "#endif"]) + "\n"


def _guest_arg(arg):
    """(checks, filling) of one argument."""
    name = arg.name
    null = [f"\tif (!{name})", "\t\treturn NVML_ERROR_INVALID_ARGUMENT;"]
    if arg.kind == "device":
        return [], [f"\tif (!fe_ask_device(&ask, {name}))", "\t\treturn NVML_ERROR_INVALID_ARGUMENT;"]
    if arg.kind == "in":
        return [], [f"\tfe_ask_in(&ask, &{name}, sizeof({name}));"]
    if arg.kind == "out":
        size = f"sizeof(*{name}){' * ' + arg.count if arg.count else ''}"
        how = "text" if arg.base == "char" else "out"
        return null, [f"\tfe_ask_{how}(&ask, {name}, {size});"]
    if arg.length:
        return null, [f"\t{arg.length} = vg_min({arg.length}, VG_NVML_ROOM_MAX);",
                      f"\tfe_ask_in(&ask, &{arg.length}, sizeof({arg.length}));",
                      f"\tfe_ask_{'text' if arg.kind == 'text' else 'out'}(&ask, {name}, {arg.length});"]
    if arg.kind == "list":
        return [f"\tif (!{arg.count})", "\t\treturn NVML_ERROR_INVALID_ARGUMENT;"], [
            f"\tfe_ask_list(&ask, &list_{name}, {arg.count}, {name}, sizeof(*{name}), {arg.most});"]
    if arg.kind == "fields":
        return null + [f"\tif ({arg.count} < 1 || {arg.count} > {arg.most})",
                       "\t\treturn NVML_ERROR_INVALID_ARGUMENT;"], [
            f"\tfe_ask_in(&ask, &{arg.count}, sizeof({arg.count}));",
            f"\tfe_ask_in(&ask, {name}, sizeof(*{name}) * (unsigned int){arg.count});",
            f"\tfe_ask_out(&ask, {name}, sizeof(*{name}) * (unsigned int){arg.count});"]
    return null, [f"\tif (!fe_ask_versioned(&ask, {name}, versions_{name},",
                  f"\t\t\t      sizeof(versions_{name}) / sizeof(versions_{name}[0])))",
                  "\t\treturn NVML_ERROR_ARGUMENT_VERSION_MISMATCH;"]


def _versions(arg):
    words = ", ".join(f"NVML_STRUCT_VERSION({s}, {v})" for v, s in arg.versions)
    return f"\tstatic const unsigned int versions_{arg.name}[] = {{{words}}};"


def _guest_stub(call):
    out = [f"nvmlReturn_t rpc_{call.name}({parameters(call)})", "{"]
    out += [_versions(a) for a in call.args if a.kind == "versioned"]
    out += [f"\tstruct fe_ask_list list_{a.name};" for a in call.args if a.kind == "list"]
    out += [f"\tstruct fe_ask ask = {{.op = VG_NVML_{call.name}}};", ""]
    parts = [_guest_arg(a) for a in call.args]
    for checks, _ in parts:
        out += checks
    for _, filling in parts:
        out += filling
    return "\n".join(out + ["\treturn fe_ask_run(&ask);", "}", ""])


def guest_stubs(spec):
    out = [head("the guest's stubs"), '#include "protocol/bounds.h"', '#include "protocol/nvml_ops.h"',
           '#include "protocol/nvml_wire.h"\n', '#include "xen-frontend/nvml/ask.h"',
           '#include "xen-frontend/nvml/calls.h"\n']
    out += [_guest_stub(call) for call in spec.calls if not call.guest]
    return "\n".join(out)


def guest_entries(spec, exports):
    out = [head("the exported functions"), '#include "protocol/nvml_proto.h"\n',
           '#include "xen-frontend/nvml/calls.h"', '#include "xen-frontend/nvml/session.h"\n',
           '#define VG_EXPORT __attribute__((visibility("default")))\n']
    have = served(spec)
    for symbol, call in have.items():
        target = f"{'fe' if call.guest else 'rpc'}_{call.name}({names(call)})"
        out += [f"VG_EXPORT nvmlReturn_t {symbol}({parameters(call)})", "{",
                f"\treturn fe_nvml_ready() ? {target} : NVML_ERROR_UNINITIALIZED;", "}", ""]
    out.append("/* Refused, or not implemented. The arguments do not matter. */")
    for symbol in exports:
        if symbol not in have and symbol not in spec.own:
            code = spec.refused.get(symbol, "NVML_ERROR_NOT_SUPPORTED")
            out += [f"nvmlReturn_t {symbol}(void);", f"VG_EXPORT nvmlReturn_t {symbol}(void)", "{",
                    f'\treturn fe_nvml_refuse("{symbol}", {code});', "}", ""]
    return "\n".join(out)


def export_map(exports):
    lines = "\n".join(f"\t\t{name};" for name in sorted(exports))
    return "{\n\tglobal:\n" + lines + "\n\tlocal:\n\t\t*;\n};\n"


# --- the executor ----------------------------------------------------------------------------------

def exec_header(spec):
    out = [head("the host library's functions, and the halves that are written by hand"),
           "#ifndef EX_NVML_CALLS_H\n#define EX_NVML_CALLS_H\n", '#include "protocol/nvml_types.h"\n',
           "struct ex_ask;\n",
           "/* The host library's functions; NULL where it has none of that name. */",
           "struct ex_nvml_table {"]
    plain = [c for c in spec.calls if not c.guest and not c.exec]
    out += [f"\tnvmlReturn_t (*{c.name})({parameters(c)});" for c in plain]
    out += ["};", "extern struct ex_nvml_table ex_nvml_table;\n",
            "struct ex_nvml_symbol {\n\tconst char *name;\n\tvoid (**slot)(void);\n};",
            "extern const struct ex_nvml_symbol ex_nvml_symbols[];",
            "extern const unsigned int ex_nvml_symbols_count;\n",
            "/* Written by hand: called instead of the library's function of that name. */"]
    for call in spec.calls:
        if call.exec:
            out.append(f"nvmlReturn_t ex_{call.name}(struct ex_ask *ask"
                       f"{', ' + parameters(call) if call.args else ''});")
    return "\n".join(out + ["", "#endif"]) + "\n"


def _exec_arg(arg):
    """(declarations, taking, passed, answering) of one argument."""
    name, base = arg.name, ctype(arg.base) if arg.base else "char"
    if arg.kind == "device":
        return [f"\tnvmlDevice_t {name} = ex_ask_device(ask);"], [], [name], []
    if arg.kind == "in":
        return [f"\t{base} {name} = 0;"], [f"\tex_ask_in(ask, &{name}, sizeof({name}));"], [name], []
    if arg.kind == "out" and arg.count:
        return [f"\t{base} {name}[{arg.count}] = {{0}};"], [], [name], [
            f"\tex_ask_out(ask, {name}, sizeof({name}));"]
    if arg.kind == "out":
        return [f"\t{base} {name};"], [f"\tmemset(&{name}, 0, sizeof({name}));"], [f"&{name}"], [
            f"\tex_ask_out(ask, &{name}, sizeof({name}));"]
    if arg.length:
        room = f"VG_NVML_ROOM_MAX / sizeof({base})"
        return [f"\t{base} {name}[{room}] = {{0}};", f"\tunsigned int {arg.length} = 0;"], [
            f"\tex_ask_in(ask, &{arg.length}, sizeof({arg.length}));",
            f"\tif ({arg.length} > VG_NVML_ROOM_MAX)", "\t\tex_ask_breach(ask);"], [
            name, arg.length], [f"\tex_ask_out(ask, {name}, {arg.length});"]
    if arg.kind == "list":
        return [f"\t{base} {name}[{arg.most}];", f"\tstruct ex_ask_list list_{name} = {{0}};"], [
            f"\tmemset({name}, 0, sizeof({name}));",
            f"\tex_ask_list(ask, &list_{name}, {arg.most});"], [
            f"&list_{name}.count", f"list_{name}.counted ? NULL : {name}"], [
            f"\tex_ask_list_out(ask, &list_{name}, result, {name}, sizeof({name}[0]));"]
    if arg.kind == "fields":
        return [f"\t{base} {name}[{arg.most}];", f"\tint {arg.count} = 0;"], [
            f"\tex_ask_in(ask, &{arg.count}, sizeof({arg.count}));",
            f"\tif ({arg.count} < 1 || {arg.count} > {arg.most}) {{", "\t\tex_ask_breach(ask);",
            f"\t\t{arg.count} = 0;", "\t}",
            f"\tmemset({name}, 0, sizeof({name}));",
            f"\tex_ask_in(ask, {name}, sizeof({name}[0]) * (unsigned int){arg.count});"], [
            arg.count, name], [
            f"\tex_ask_out(ask, {name}, sizeof({name}[0]) * (unsigned int){arg.count});"]
    members = "".join(f" {s} v{v};" for v, s in arg.versions)
    return [_versions(arg), f"\tunion {{ unsigned int version; {base} last;{members} }} {name};",
            f"\tunsigned int size_{name};"], [
        f"\tmemset(&{name}, 0, sizeof({name}));",
        f"\tsize_{name} = ex_ask_versioned(ask, &{name}, versions_{name},",
        f"\t\t\t\t     sizeof(versions_{name}) / sizeof(versions_{name}[0]));"], [
        f"&{name}.last"], [f"\tex_ask_out(ask, &{name}, size_{name});"]


def _exec_run(call):
    parts = [_exec_arg(a) for a in call.args]
    target = f"ex_{call.name}" if call.exec else f"ex_nvml_table.{call.name}"
    passed = (["ask"] if call.exec else []) + [p for part in parts for p in part[2]]
    out = [f"static nvmlReturn_t run_{call.name}(struct ex_ask *ask)", "{"]
    for part in parts:
        out += part[0]
    out += ["\tnvmlReturn_t result;", ""]
    for part in parts:
        out += part[1]
    out += ["\tif (!ex_ask_ready(ask, &result))", "\t\treturn result;"]
    if not call.exec:
        out += [f"\tif (!{target})", "\t\treturn ex_ask_missing(ask);"]
    out.append(f"\tresult = {target}({', '.join(passed)});")
    for part in parts:
        out += part[3]
    return "\n".join(out + ["\treturn result;", "}", ""])


def exec_dispatch(spec):
    sent = [c for c in spec.calls if not c.guest]
    out = [head("the executor's dispatch"), "#include <string.h>\n", '#include "protocol/nvml_ops.h"',
           '#include "protocol/nvml_wire.h"\n', '#include "dom0-executor/nvml_ask.h"',
           '#include "dom0-executor/nvml_calls.h"\n', "struct ex_nvml_table ex_nvml_table;\n",
           "const struct ex_nvml_symbol ex_nvml_symbols[] = {"]
    out += [f'\t{{"{c.name}", (void (**)(void))&ex_nvml_table.{c.name}}},' for c in sent if not c.exec]
    out += ["};", "const unsigned int ex_nvml_symbols_count =",
            "\tsizeof(ex_nvml_symbols) / sizeof(ex_nvml_symbols[0]);\n"]
    out += [_exec_run(call) for call in sent]
    out.append("static const struct ex_nvml_op ops[VG_NVML_END] = {")
    out += [f'\t[VG_NVML_{call.name}] = {{"{call.name}", run_{call.name}}},' for call in sent]
    out += ["};\n", "const struct ex_nvml_op *ex_nvml_op_find(unsigned int op)", "{",
            "\treturn op < VG_NVML_END && ops[op].run ? &ops[op] : NULL;", "}"]
    return "\n".join(out) + "\n"


# --- docs ------------------------------------------------------------------------------------------

def coverage(spec, exports):
    have = served(spec)
    out = ["<!-- SPDX-License-Identifier: MIT -->", "# Coverage of NVML", "",
           "Made by protocol/emit_nvml.py (`make coverage-table`) from protocol/nvml.api and the names that NVIDIA's",
           "library exports. [nvml.md](nvml.md) says what the columns mean.", "",
           f"{len(have) + len(spec.own)} of {len(exports)} exported symbols are implemented, "
           f"{len(spec.refused)} are refused because they change the GPU; the others answer",
           "NVML_ERROR_NOT_SUPPORTED.", "", "| symbol | how |", "|---|---|"]
    for symbol in sorted(exports):
        call = have.get(symbol)
        if symbol in spec.own or (call and call.guest):
            how = "in the guest"
        elif call:
            how = "by the executor itself" if call.exec else "the host's library"
        else:
            how = "`" + spec.refused.get(symbol, "NVML_ERROR_NOT_SUPPORTED") + "`"
        out.append(f"| `{symbol}` | {how} |")
    return "\n".join(out) + "\n"
