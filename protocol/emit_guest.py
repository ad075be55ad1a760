# SPDX-License-Identifier: MIT
"""Emitters of the guest's side: stubs that send, exported entries, tables."""

import emit_checks
import emit_common as c


def signature(call):
    last = ["bool asynchronous"] if call.has("either") else []
    return f"CUresult rpc_{call.name}({c.parameters(call, last)})"


def header(spec):
    out = [c.head("the guest's stubs, and the halves that are written by hand"),
           "#ifndef FE_CALLS_H\n#define FE_CALLS_H\n", "#include <stdbool.h>\n",
           '#include "protocol/calls.h"\n',
           "/* Send a call and wait for its answer, unless it is asynchronous. */"]
    out += [signature(call) + ";" for call in spec.calls if call.wire]
    out += ["", "/* Written by hand: what the exported function of that name does. */"]
    out += [f"CUresult fe_{call.name}({c.parameters(call)});" for call in spec.calls
            if call.has("guest")]
    out += [f"void fe_ready_{base}({base} handle);" for base in
            sorted({arg.base for call in spec.calls for arg in call.args if "ready" in arg.attrs})]
    out += ["", "#endif"]
    return "\n".join(out) + "\n"


def _checks(call):
    out = []
    for arg in call.args:
        pointer = arg.direction != "in" or arg.variable or arg.kind == "bulk"
        if pointer and not arg.opt:
            counted = arg.kind in ("array", "handles", "bytes", "bulk")
            test = f"!{arg.name} && ({arg.count}) != 0" if counted else f"!{arg.name}"
            out += [f"\tif ({test})", "\t\treturn CUDA_ERROR_INVALID_VALUE;"]
    for arg in call.args:
        if arg.direction == "in" and arg.kind == "handle":
            flags = "FE_NULL_OK" if "null" in arg.attrs else \
                "FE_MADE" if "destroy" in arg.attrs else "0"
            out += [f"\tresult = fe_handle_check(VG_HANDLE_{arg.base}, (uint64_t){arg.name}, {flags});",
                    "\tif (result)", "\t\treturn result;"]
        if "ready" in arg.attrs:
            out.append(f"\tfe_ready_{arg.base}({arg.name});")
        out += c.value_checks(arg)
        if "covers" in arg.attrs:
            otherwise = "call.async = false;" if call.captures_anything \
                else "return CUDA_ERROR_INVALID_VALUE;"
            test = "fe_range_exists" if call.has("names") else "fe_memory_known"
            out += [f"\tif (!{test}({arg.name}, {arg.attrs['covers']}))",
                    f"\t\t{otherwise}"]
    return out


def _fill(call):
    out = []
    for arg in call.args:
        name = arg.name
        if arg.direction == "in":
            if arg.kind == "value":
                out.append(f"\targs.{name} = {name};")
            elif arg.kind == "handle":
                out.append(f"\targs.{name} = (uint64_t){name};")
            elif arg.kind == "string":
                out.append(f"\targs.n_{name} = {name} ? strlen({name}) + 1 : 0;")
            elif arg.kind != "bulk":
                out.append(f"\targs.n_{name} = {name} ? {c.count_expr(arg)} : 0;")
        elif arg.direction == "inout":
            test = f"{name} ? *{name} : ({c.ctype(arg.base)}){{0}}" if arg.opt else f"*{name}"
            out.append(f"\targs.{name} = {test};")
        elif "mint" in arg.attrs:
            out += [f"\targs.{name} = fe_handle_mint(VG_HANDLE_{arg.base});",
                    f"\tif (!args.{name})", "\t\treturn CUDA_ERROR_OUT_OF_MEMORY;"]
        elif arg.variable:
            out.append(f"\targs.room_{name} = {name} ? (uint64_t)({arg.count}) : VG_ROOM_NULL;")
    return out


def _ins(call):
    return bool(c.args_fields(call)) + sum(arg.direction == "in" and arg.variable for arg in call.args)


def _outs(call):
    return bool(c.ret_fields(call)) + sum(arg.variable for arg in call.outs)


def _parts(call):
    out = []
    if c.args_fields(call):
        out.append("\tfe_call_in(&call, &args, sizeof(args));")
    for arg in call.args:
        if arg.direction == "in" and arg.variable:
            out += [f"\tfe_call_in(&call, {arg.name}, "
                    f"args.n_{arg.name} * sizeof({c.element(arg)}));"]
        elif arg.direction == "in" and arg.kind == "bulk":
            out.append(f"\tcall.bulk = (struct fe_in){{{arg.name}, {arg.count}}};")
    if c.ret_fields(call):
        out.append("\tfe_call_out(&call, &ret, sizeof(ret));")
    for arg in call.outs:
        if arg.variable:
            out += [f"\tfe_call_out(&call, {arg.name}, args.room_{arg.name} == VG_ROOM_NULL ? 0 :",
                    f"\t\t   args.room_{arg.name} * sizeof({c.element(arg)}));"]
        elif arg.kind == "bulk":
            out.append(f"\tcall.bulk_out = (struct fe_out){{{arg.name}, {arg.count}}};")
    if any(arg.variable for arg in call.outs):
        out.append(f"\tcall.sizes = sizes_{call.name};")
    return out


def _sizes(call):
    """Function that learns the sizes of variable outputs from the reply's fixed part."""
    outs = [arg for arg in call.outs if arg.variable]
    if not outs:
        return []
    out = [f"static bool sizes_{call.name}(struct fe_call *call)", "{",
           f"\tconst struct vg_ret_{call.name} *ret = call->out[0].data;", ""]
    for i, arg in enumerate(outs, 1):
        out += [f"\tif (ret->n_{arg.name} > call->out[{i}].size / sizeof({c.element(arg)}))",
                "\t\treturn false;",
                f"\tcall->out[{i}].size = ret->n_{arg.name} * sizeof({c.element(arg)});"]
    return out + ["\treturn true;", "}", ""]


def _results(call):
    out = []
    for arg in call.outs:
        name, opt = arg.name, f"\tif ({arg.name})\n\t" if arg.opt else ""
        if "mint" in arg.attrs:
            out.append(f"\t*{name} = ({arg.base})args.{name};")
        elif arg.kind == "handle":
            out += [f"\tfe_handle_note(VG_HANDLE_{arg.base}, ret.{name});",
                    f"{opt}\t*{name} = ({arg.base})ret.{name};"]
        elif arg.kind == "handles":
            out += [f"\tfor (uint64_t i = 0; i < ret.n_{name}; i++)",
                    f"\t\tfe_handle_note(VG_HANDLE_{arg.base}, (uint64_t){name}[i]);"]
        elif arg.kind == "value":
            out.append(f"{opt}\t*{name} = ret.{name};")
    for arg in call.args:
        if "destroy" in arg.attrs and not arg.number and "counted" not in arg.attrs:
            out.append(f"\tfe_handle_drop(VG_HANDLE_{arg.base}, (uint64_t){arg.name});")
    return out


def stub(call):
    flags = [f".op = VG_OP_{call.name}"]
    if call.has("either"):
        flags.append(".async = asynchronous")
    elif call.has("async"):
        flags.append(".async = true")
    if call.has("reports"):
        flags.append(".reports = true")
    if call.has("nocontext"):
        flags.append(".no_context = true")
    if call.has("maycontext"):
        flags.append(".may_context = true")
    if call.has("unordered"):
        flags.append(".unordered = true")
    out = _sizes(call) + [signature(call), "{"]
    if c.args_fields(call):
        out.append(f"\tstruct vg_args_{call.name} args;")
    if c.ret_fields(call):
        out.append(f"\tstruct vg_ret_{call.name} ret;")
    for name, parts in (("in", _ins(call)), ("out", _outs(call))):
        if parts:
            out.append(f"\tstruct fe_{name} {name}[{parts}];")
            flags.append(f".{name} = {name}")
    if call.keys:
        flags.append(f".keys = {{{', '.join(f'(uint64_t){name}' for name in call.keys)}}}")
    out += [f"\tstruct fe_call call = {{{', '.join(flags)}}};", "\tCUresult result;", ""]
    if call.has("streamcontext"):
        out += [f"\tcall.no_context = !vg_handle_passes(VG_HANDLE_CUstream, (uint64_t){call.stream});"]
    if not call.has("nocontext") and not call.has("maycontext"):
        # As CUDA does: without a context, no argument is looked at.
        test = "call.no_context ? CUDA_SUCCESS : " if call.has("streamcontext") else ""
        out += [f"\tresult = {test}fe_context_needed();", "\tif (result)", "\t\treturn result;"]
    out += _checks(call)
    if c.args_fields(call):
        out.append("\tmemset(&args, 0, sizeof(args));")
    if c.ret_fields(call):
        out.append("\tmemset(&ret, 0, sizeof(ret));")
    out += _fill(call) + _parts(call) + ["\tresult = fe_call_run(&call);"]
    minted = [a for a in call.outs if "mint" in a.attrs]
    if minted:
        out += ["\tif (result) {"]
        out += [f"\t\tfe_handle_drop(VG_HANDLE_{a.base}, args.{a.name});" for a in minted]
        out += ["\t\treturn result;", "\t}"]
    else:
        out += ["\tif (result)", "\t\treturn result;"]
    if call.has("anyerror"):
        out = out[:-2]
    return "\n".join(out + _results(call) + [
        "\treturn result;" if call.has("anyerror") else "\treturn CUDA_SUCCESS;", "}", ""])


def stubs(spec):
    out = [c.head("the guest's stubs"), "#include <string.h>\n", '#include "protocol/calls.h"',
           '#include "xen-frontend/libcuda/calls.h"\n', '#include "xen-frontend/libcuda/call.h"',
           '#include "xen-frontend/libcuda/context.h"', '#include "xen-frontend/libcuda/memory.h"\n',
           '#include "protocol/bounds.h"\n']
    out += [stub(call) for call in spec.calls if call.wire]
    return "\n".join(out)


def _counts(call):
    """Of each parameter in C's order, how many elements a pointer points to, where the spec says so."""
    counts = []
    for arg in call.args:
        known = arg.kind in ("pointer", "array", "handles", "bytes") and not arg.count_reads
        counts.append(f"(uint64_t)({c.count_expr(arg)})" if known else "0")
    return counts or ["0"] * len(call.raw)


def _told(call, symbol):
    """The same with a line in the log: calls it, by a name that nobody can put another function behind."""
    names = [name for name in c.arguments(call).split(", ") if name]
    places = [f"\t\t{{&{name}, {count}}}," for name, count in zip(names, _counts(call))]
    out = [f"static CUresult own_{symbol}({c.parameters(call)}) __attribute__((alias(\"{symbol}\")));",
           f"static FE_TOLD CUresult told_{symbol}({c.parameters(call)})", "{",
           "\tuint64_t begun = vg_clock_ns();", f"\tCUresult result = own_{symbol}({c.arguments(call)});"]
    if places:
        out += ["\tconst struct vg_call_place places[] = {", *places, "\t};"]
    return out + ["", f'\treturn fe_tell("{symbol}", VG_OP_{call.name}, {"places" if places else "NULL"}, '
                  f"{len(places)}, result, begun);", "}", ""]


def _entry(call, symbol, variant, checks, enters):
    target = f"fe_{call.name}" if call.has("guest") else f"rpc_{call.name}"
    out = emit_checks.function(call, symbol, checks) if checks else []
    out += _told(call, symbol)
    out += [f"VG_EXPORT CUresult {symbol}({c.parameters(call)})", "{", "\tCUresult result = CUDA_SUCCESS;"]
    if enters:
        out.append("\tbool entered;")
    out += ["", "\tif (fe_tell_now())", f"\t\treturn told_{symbol}({c.arguments(call)});"]
    if enters:
        out.append(f"\tentered = fe_stream_enter_{enters}({call.stream});")
    if checks:
        out += [f"\tresult = check_{symbol}({c.arguments(call)});", "\tif (result)", "\t\tgoto out;"]
    if variant and call.stream:
        out += [f"\tif (!{call.stream})", f"\t\t{call.stream} = CU_STREAM_PER_THREAD;"]
    elif variant:
        out.append("\tfe_ptds = true;")
    out.append(f"\tresult = {target}({c.arguments(call)});")
    if variant and not call.stream:
        out.append("\tfe_ptds = false;")
    out += ["out:"] if checks else []
    if enters:
        out.append("\tfe_context_exit(entered);")
    return "\n".join(out + [f'\treturn fe_leave("{symbol}", result);', "}", ""])


def entries(spec, variants, table):
    out = [c.head("the exported functions"), '#include "protocol/calls.h"',
           '#include "protocol/cuda_proto.h"', '#include "xen-frontend/libcuda/calls.h"\n',
           '#include "xen-frontend/libcuda/check.h"', '#include "xen-frontend/libcuda/refuse.h"',
           '#include "xen-frontend/libcuda/stream.h"', '#include "xen-frontend/libcuda/tell.h"\n',
           '#define VG_EXPORT __attribute__((visibility("default")))\n']
    done = set()
    for call in spec.calls:
        if call.internal:
            continue
        for symbol, variant in variants.of(call):
            checks = emit_checks.checks(spec, call, symbol, table, stub=True)
            out.append(_entry(call, symbol, variant, checks, emit_checks.enters(call, symbol, table)))
            done.add(symbol)
    out.append("/* Answered by the driver itself with nothing but this. */")
    for symbol, (error, _) in sorted(spec.answered.items()):
        if symbol in variants.exports:
            out += [f"CUresult {symbol}(void);", f"VG_EXPORT CUresult {symbol}(void)", "{",
                    f'\treturn fe_answer("{symbol}", {error});', "}", ""]
    out.append("/* Exported by the driver, not implemented here. */")
    for symbol in sorted(variants.exports - done - set(spec.answered)):
        out += [f"CUresult {symbol}(void);",
                f"VG_EXPORT CUresult {symbol}(void)", "{",
                f'\treturn fe_refuse("{symbol}");', "}", ""]
    return "\n".join(out)


def export_map(variants):
    names = "\n".join(f"\t\t{name};" for name in sorted(variants.exports))
    return "{\n\tglobal:\n" + names + "\n\tlocal:\n\t\t*;\n};\n"


def proc_table(rows, spec, variants):
    """The answers of cuGetProcAddress, sorted by name, flag and version."""
    known = {symbol for call in spec.calls if not call.internal for symbol, _ in variants.of(call)}
    symbols = sorted({row[3] for row in rows if not row[3].startswith("-")})
    out = [c.head("the answers of cuGetProcAddress"),
           '#include "xen-frontend/libcuda/procaddress.h"\n', '#include "protocol/cuda_proto.h"\n']
    out += [f"CUresult {symbol}(void);" for symbol in symbols
            if symbol not in known and symbol in variants.exports]
    out += ["", "const struct fe_proc fe_procs[] = {"]
    for name, flag, version, symbol in sorted(rows, key=lambda r: (r[0], int(r[1]), int(r[2]))):
        if symbol.startswith("-"):
            status = symbol[symbol.index("st") + 2:].rstrip(")")
            out.append(f'\t{{"{name}", {flag}, {status}, {version}, 0}},')
        elif symbol in variants.exports:
            out.append(f'\t{{"{name}", {flag}, 0, {version}, (void (*)(void)){symbol}}},')
    out += ["};", "const unsigned int fe_procs_count = sizeof(fe_procs) / sizeof(fe_procs[0]);"]
    return "\n".join(out) + "\n"
