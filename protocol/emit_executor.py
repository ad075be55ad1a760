# SPDX-License-Identifier: MIT
"""Emitters of the executor's side: dispatch, and the table of the driver's functions."""

import emit_common as c


def _exec_parameters(call):
    """Bulk parts are not arguments of a hand-written half: it streams them."""
    params = [c.parameter(a) for a in call.args if a.kind != "bulk"]
    return ", ".join(["struct ex_call *call"] + params)


def header(spec, variants):
    out = [c.head("the driver's functions, and the halves that are written by hand"),
           "#ifndef EX_CALLS_H\n#define EX_CALLS_H\n", '#include "protocol/calls.h"\n',
           '#include "dom0-executor/call.h"\n',
           "/* The real driver's functions; NULL where it has none of that name. */",
           "struct ex_driver {"]
    for call in spec.calls:
        if not call.internal:
            out.append(f"\tCUresult (*{call.name})({c.parameters(call)});")
            if variants.has_ptds(call):
                out.append(f"\tCUresult (*{call.name}_ptds)({c.parameters(call)});")
    out += ["};", "extern struct ex_driver ex_driver;\n",
            "struct ex_driver_symbol {\n\tconst char *name;\n\tvoid (**slot)(void);\n};",
            "extern const struct ex_driver_symbol ex_driver_symbols[];",
            "extern const unsigned int ex_driver_symbols_count;\n",
            "/* Written by hand: called instead of the driver's function of that name. */"]
    out += [f"CUresult ex_{call.name}({_exec_parameters(call)});" for call in spec.calls
            if call.has("exec")]
    for call in spec.calls:
        if call.has("undone"):
            out += [f"struct vg_args_{call.name};", f"{_failed(call)};"]
    out += ["", "#endif"]
    return "\n".join(out) + "\n"


def _failed(call):
    """The half that hears of a failed command."""
    return f"void ex_{call.name}_failed(struct ex_call *call, const struct vg_args_{call.name} *args)"


def driver(spec, variants):
    out = [c.head("where the driver's functions are kept"),
           '#include "dom0-executor/calls.h"\n', "struct ex_driver ex_driver;\n",
           "const struct ex_driver_symbol ex_driver_symbols[] = {"]
    for call in spec.calls:
        if not call.internal:
            out.append(f'\t{{"{call.name}", (void (**)(void))&ex_driver.{call.name}}},')
            if variants.has_ptds(call):
                out.append(f'\t{{"{call.name}_ptds", '
                           f'(void (**)(void))&ex_driver.{call.name}_ptds}},')
    out += ["};", "const unsigned int ex_driver_symbols_count =",
            "\tsizeof(ex_driver_symbols) / sizeof(ex_driver_symbols[0]);"]
    return "\n".join(out) + "\n"


def _locals(call):
    out = []
    for arg in call.args:
        base = c.ctype(arg.base)
        if arg.kind == "bulk":
            if not call.has("exec"):
                out.append(f"\tconst void *{arg.name};")
        elif arg.direction == "in":
            if arg.kind == "value":
                out.append(f"\t{base} {arg.name} = args->{arg.name};")
            elif arg.kind == "handle":
                out.append(f"\t{arg.base} {arg.name} = 0;")
            elif arg.kind == "handles":
                out.append(f"\t{arg.base} *{arg.name} = NULL;")
            elif arg.kind == "bytes":
                out.append(f"\tconst void *{arg.name} = NULL;")
            else:
                star = "" if "mut" in arg.attrs else "const "
                out.append(f"\t{star}{base} *{arg.name} = NULL;")
        elif arg.direction == "inout":
            out += [f"\t{base} value_{arg.name} = args->{arg.name};",
                    f"\t{base} *{arg.name} = &value_{arg.name};"]
        elif arg.variable:
            out.append(f"\t{arg.base if arg.kind == 'handles' else base} *{arg.name} = NULL;"
                       if arg.kind != "bytes" else f"\tvoid *{arg.name} = NULL;")
        elif arg.kind == "handle":
            out += [f"\t{arg.base} value_{arg.name} = 0;",
                    f"\t{arg.base} *{arg.name} = &value_{arg.name};"]
        else:
            out += [f"\t{base} value_{arg.name};", f"\t{base} *{arg.name} = &value_{arg.name};"]
    return out


def _decode_in(arg):
    name, n = arg.name, f"args->n_{arg.name}"
    if arg.kind == "handle":
        flags = "EX_NULL_OK" if "null" in arg.attrs else "0"
        return [f"\tresult = ex_handle_get(call, VG_HANDLE_{arg.base}, args->{name}, {flags}, &real);",
                "\tif (result)", "\t\treturn result;", f"\t{name} = ({arg.base})real;"]
    if arg.kind == "string":
        out = [f"\tif ({n}) {{", f"\t\t{name} = ex_args_string(call, {n});", f"\t\tif (!{name})",
               "\t\t\treturn CUDA_ERROR_UNKNOWN;", "\t}"]
        if not arg.opt:
            out[-1:] = ["\t} else {", '\t\treturn ex_breach(call, "no string");', "\t}"]
        return out
    wanted = c.count_expr(arg)
    out = [f"\tif ({n}) {{", f"\t\tif ({n} != (uint64_t)({wanted}))",
           f'\t\t\treturn ex_breach(call, "length of {name}");']
    if arg.kind == "handles":
        out += [f"\t\tconst uint64_t *wire_{name} = ex_args_array(call, {n}, sizeof(uint64_t));",
                "\t\tvoid **reals;", "", f"\t\tif (!wire_{name})", "\t\t\treturn CUDA_ERROR_UNKNOWN;",
                f"\t\tresult = ex_handle_get_array(call, VG_HANDLE_{arg.base}, wire_{name}, {n}, &reals);",
                "\t\tif (result)", "\t\t\treturn result;", f"\t\t{name} = ({arg.base} *)reals;"]
    elif "mut" in arg.attrs:
        base = c.ctype(arg.base)
        out += [f"\t\tconst void *wire_{name} = ex_args_array(call, {n}, sizeof({base}));", "",
                f"\t\tif (!wire_{name})", "\t\t\treturn CUDA_ERROR_UNKNOWN;",
                f"\t\t{name} = ex_scratch(call, {n}, sizeof({base}));", f"\t\tif (!{name})",
                "\t\t\treturn CUDA_ERROR_OUT_OF_MEMORY;",
                f"\t\tmemcpy({name}, wire_{name}, {n} * sizeof({base}));"]
    else:
        out += [f"\t\t{name} = ex_args_array(call, {n}, sizeof({c.element(arg)}));",
                f"\t\tif (!{name})", "\t\t\treturn CUDA_ERROR_UNKNOWN;"]
    if arg.opt:
        return out + ["\t}"]
    tail = ["\t} else if (" + wanted + ") {", f'\t\treturn ex_breach(call, "{name} is missing");',
            "\t}"]
    return out + tail


def _room(arg):
    name = arg.name
    out = [f"\tif (args->room_{name} != VG_ROOM_NULL) {{",
           f"\t\tif (args->room_{name} != (uint64_t)({arg.count}))",
           f'\t\t\treturn ex_breach(call, "room of {name}");',
           f"\t\t{name} = ex_scratch(call, args->room_{name}, sizeof({c.element(arg)}));",
           f"\t\tif (!{name})", "\t\t\treturn CUDA_ERROR_OUT_OF_MEMORY;", "\t}"]
    return out


def _decode(call):
    out = []
    # Values first, since lengths are computed from them; parts lie in the order of the arguments.
    for arg in call.args:
        if arg.direction == "in" and (arg.variable or arg.kind == "handle"):
            out += _decode_in(arg)
    for arg in call.outs:
        if arg.variable:
            out += _room(arg)
    out += ["\tif (!ex_args_end(call))", "\t\treturn CUDA_ERROR_UNKNOWN;"]
    for arg in call.args:
        out += c.value_checks(arg)
        if arg.number and arg.direction == "in":
            out += [f"\tresult = ex_number_check(call, VG_HANDLE_{arg.base}, {arg.name});",
                    "\tif (result)", "\t\treturn result;"]
        if "covers" in arg.attrs:
            stream = call.captures_anything and call.stream
            check, end = ("ex_range_check_on", f", {stream}") if stream else ("ex_range_check", "")
            out += [f"\tresult = {check}(call, {arg.name}, {arg.attrs['covers']}{end});",
                    "\tif (result)", "\t\treturn result;"]
    bulk = call.bulk("in")
    if bulk:
        out += [f"\tif (call->bulk_size != (uint64_t)({bulk.count}))",
                '\t\treturn ex_breach(call, "length of the bulk part");']
        if not call.has("exec"):
            out += [f"\t{bulk.name} = ex_bulk_whole(call);", f"\tif (!{bulk.name})",
                    "\t\treturn CUDA_ERROR_OUT_OF_MEMORY;"]
    return out


def _invoke(call, variants):
    if call.has("exec"):
        names = ["call"] + [a.name for a in call.args if a.kind != "bulk"]
        return [f"\tresult = ex_{call.name}({', '.join(names)});"]
    out = [f"\tif (!ex_driver.{call.name})", "\t\treturn CUDA_ERROR_NOT_SUPPORTED;"]
    if variants.has_ptds(call):
        out += [f"\tif (call->ptds && ex_driver.{call.name}_ptds)",
                f"\t\tresult = ex_driver.{call.name}_ptds({c.arguments(call)});", "\telse",
                f"\t\tresult = ex_driver.{call.name}({c.arguments(call)});"]
    else:
        out.append(f"\tresult = ex_driver.{call.name}({c.arguments(call)});")
    return out


def _parent(call, arg):
    of = arg.attrs.get("of")
    return f"args->{of}" if of else "0"


def _reply(call):
    out = []
    for arg in call.outs:
        if "mint" in arg.attrs:
            out += [f"\tresult = ex_handle_bind(call, VG_HANDLE_{arg.base}, args->{arg.name}, "
                    f"(void *)value_{arg.name}, {_parent(call, arg)});",
                    "\tif (result)", "\t\treturn result;"]
    for arg in call.args:
        if "destroy" in arg.attrs:
            what = "number" if arg.number else "handle"
            out.append(f"\tex_{what}_drop(call, VG_HANDLE_{arg.base}, args->{arg.name});")
        if arg.number and arg.direction == "out":
            out += [f"\tresult = ex_number_put(call, VG_HANDLE_{arg.base}, value_{arg.name}, "
                    f"{_parent(call, arg)});", "\tif (result)", "\t\treturn result;"]
    if not c.ret_fields(call):
        return out
    out += ["\tret = ex_reply_put(call, sizeof(*ret));", "\tif (!ret)",
            "\t\treturn CUDA_ERROR_OUT_OF_MEMORY;"]
    for arg in call.outs:
        name = arg.name
        if arg.kind == "bulk" or "mint" in arg.attrs:
            continue
        if arg.variable:
            n = f"(uint64_t)({arg.count})"
            out.append(f"\tcount_{name} = !{name} ? 0 : vg_min({n}, args->room_{name});")
            out.append(f"\tret->n_{name} = count_{name};")
        elif arg.kind == "handle":
            out.append(f"\tret->{name} = ex_handle_put(call, VG_HANDLE_{arg.base}, "
                       f"(void *)value_{name}, {_parent(call, arg)});")
        else:
            out.append(f"\tret->{name} = value_{name};")
    for arg in call.outs:
        name = arg.name
        if not arg.variable:
            continue
        if arg.kind == "handles":
            out += [f"\tfor (uint64_t i = 0; i < count_{name}; i++)",
                    f"\t\t{name}[i] = ({arg.base})ex_handle_put(call, VG_HANDLE_{arg.base}, "
                    f"(void *){name}[i], {_parent(call, arg)});"]
        out += [f"\tif (!ex_reply_bytes(call, {name}, count_{name} * sizeof({c.element(arg)})))",
                "\t\treturn CUDA_ERROR_OUT_OF_MEMORY;"]
    return out


def run(call, variants):
    fields, rets = c.args_fields(call), c.ret_fields(call)
    out = [f"static CUresult run_{call.name}(struct ex_call *call)", "{"]
    if fields:
        out.append(f"\tconst struct vg_args_{call.name} *args = ex_args_take(call, sizeof(*args));")
    body = ["\tCUresult result;"]
    if rets:
        body.append(f"\tstruct vg_ret_{call.name} *ret;")
    body += [f"\tuint64_t count_{a.name};" for a in call.outs if a.variable]
    if any(a.direction == "in" and a.kind == "handle" for a in call.args):
        body.append("\tvoid *real;")
    outs = [a for a in call.outs if not a.variable and a.kind == "value" and a.direction == "out"]
    clear = [f"\tmemset(&value_{a.name}, 0, sizeof(value_{a.name}));" for a in outs]
    if fields:
        out += ["", "\tif (!args)", "\t\treturn CUDA_ERROR_UNKNOWN;"]
        if call.has("undone"):
            out[2:2] = ["\tCUresult result;"]
            out += [f"\tresult = take_{call.name}(call, args);", "\tif (result && call->async)",
                    f"\t\tex_{call.name}_failed(call, args);", "\treturn result;", "}", ""]
        else:
            out += [f"\treturn take_{call.name}(call, args);", "}", ""]
        first = [f"static CUresult take_{call.name}(struct ex_call *call, "
                 f"const struct vg_args_{call.name} *args)", "{"]
        first += body + _locals(call) + [""] + clear
    else:
        first, out = [], out + body + _locals(call) + [""] + clear
    rest = _decode(call) + _invoke(call, variants)
    if not call.has("anyerror"):
        rest += ["\tif (result)", "\t\treturn result;"]
    else:
        rest += ["\tif (call->breach)", "\t\treturn result;"]
    rest += _reply(call)
    rest += ["\treturn result;" if call.has("anyerror") else "\treturn CUDA_SUCCESS;", "}", ""]
    if fields:
        return "\n".join(first + rest + out)
    return "\n".join(out + rest)


def dispatch(spec, variants):
    out = [c.head("the executor's dispatch"), "#include <string.h>\n",
           '#include "protocol/bounds.h"', '#include "protocol/calls.h"\n',
           '#include "dom0-executor/call.h"', '#include "dom0-executor/calls.h"\n']
    out += [run(call, variants) for call in spec.calls if call.wire]
    out.append("static const struct ex_op ops[VG_OP_END] = {")
    for call in spec.calls:
        if call.wire:
            flags = []
            flags.append("EX_OP_SYNC_OK")
            if call.has("either") or call.has("async"):
                flags.append("EX_OP_ASYNC_OK")
            if call.bulk("in"):
                flags.append("EX_OP_BULK")
            if call.has("reports"):
                flags.append("EX_OP_REPORTS")
            size = f"sizeof(struct vg_args_{call.name})" if c.args_fields(call) else "0"
            out.append(f'\t[VG_OP_{call.name}] = {{"{call.name}", run_{call.name}, {size}, '
                       f'{" | ".join(flags)}}},')
    out += ["};\n", "const struct ex_op *ex_op_find(uint16_t op)", "{",
            "\treturn op < VG_OP_END && ops[op].run ? &ops[op] : NULL;", "}"]
    return "\n".join(out) + "\n"
