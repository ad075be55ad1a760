# SPDX-License-Identifier: MIT
"""Emitter of what an exported function checks first (checkspec.py). The same code for the guest's library and
for libcuda-soft, which give it VG_CHECK_INIT, VG_CHECK_CONTEXT, VG_CHECK_OLD and VG_CHECK_HANDLE."""

import checkspec
import emit_common as c

# Whatever a call is, these are never optional, and nothing in the guest makes up for a bad one.
ALWAYS = ("CUgraph", "CUgraphNode", "CUgraphExec")


def _is_handle(spec, ctype):
    return ctype in spec.handles and ctype not in spec.numbers


def _flags(call, name):
    for arg in call.args:
        if arg.name == name and "destroy" in arg.attrs:
            return "VG_CHECK_MADE"
    return "0"


def _test(condition, code):
    return [f"\tif ({condition})", f"\t\treturn {code};"]


def _handle(call, ctype, name, step=None):
    strict = " | VG_CHECK_STRICT" if step and step.strict else ""
    codes = f"{step.gone or 0}" if step else "0"
    flags = _flags(call, name) + strict
    text = f"\tVG_CHECK_HANDLE(VG_HANDLE_{ctype}, {name}, {flags.removeprefix('0 | ')}, {codes});"
    if step and step.other:
        return [f"\tif ({name})", "\t" + text, "\telse", "\t\tVG_CHECK_CONTEXT(needed, 0);"]
    return [f"\tif ({name})", "\t" + text] if step and step.optional else [text]


def _context(call, step=None):
    """Only a default stream is the context's."""
    how = "allowed" if step and step.optional else "needed"
    text = f"\tVG_CHECK_CONTEXT({how}, {step.null if step and step.null else 0});"
    if not call.has("streamcontext") or step and step.name == "current":
        return [text]
    return [f"\tif (vg_handle_passes(VG_HANDLE_CUstream, (uint64_t){call.stream}))", "\t" + text]


def _null(spec, call, step):
    ctype = checkspec.types(call)[step.name]
    if not _is_handle(spec, ctype):
        both = f" && !{step.other}" if step.other else ""
        return _test(f"!{step.name}{both}", step.null or "CUDA_ERROR_INVALID_VALUE")
    passes = spec.handles[ctype]["pass"]
    if 0 in passes and _flags(call, step.name) == "0":
        return []
    return _test(f"!{step.name}", step.null or f"vg_handle_error(VG_HANDLE_{ctype}, false)")


def _steps(spec, call, steps):
    """Statements, and the handles that they have looked at."""
    out, early, seen, started = [], [], set(), call.has("noinit")
    if not started and not any(step.name == "init" for step in steps):
        steps = steps + [checkspec.Step("", "init")]
    for step in steps:
        if step.name == "init":
            started = True
            out.append(f"\tVG_CHECK_INIT({call.name});")
            for each in early:
                out += _handle(call, checkspec.types(call)[each.name], each.name, each)
        elif step.name in ("old", *checkspec.CONTEXTS):
            out += _context(call, step) if step.name in checkspec.CONTEXTS else ["\tVG_CHECK_OLD();"]
            seen.add("context" if step.name in checkspec.CONTEXTS else step.name)
        else:
            out += [] if step.optional else _null(spec, call, step)
            if _is_handle(spec, checkspec.types(call)[step.name]):
                seen.add(step.name)
                if not started:
                    early.append(step)
                else:
                    out += _handle(call, checkspec.types(call)[step.name], step.name, step)
    return out, seen


def _places(call):
    out = []
    for arg in call.args:
        pointer = arg.direction != "in" or arg.variable or arg.kind == "bulk"
        if pointer and not arg.opt:
            counted = arg.kind in ("array", "handles", "bytes", "bulk")
            out += _test(f"!{arg.name} && ({arg.count}) != 0" if counted else f"!{arg.name}",
                         "CUDA_ERROR_INVALID_VALUE")
    return out


def enters(call, symbol, table):
    """Whether the exported function runs in its stream's context: None, or "if_none" (where the thread has none), or
    "if_needed" (also where that has been destroyed)."""
    steps = table.steps(call, symbol)
    if not call.stream or any(map(call.has, ("nocontext", "streamcontext", "noinit"))) or \
            any(step.name == "current" for step in steps):
        return None
    return "if_none" if any(step.name == "context" and step.optional for step in steps) else "if_needed"


def checks(spec, call, symbol, table, stub=False):
    """The statements, in a function that returns CUresult and has the call's parameters. stub: behind it comes
    the call's stub, which looks at what the spec has itself, in the same order: only the table's steps."""
    out, seen = _steps(spec, call, table.steps(call, symbol))
    own = call.has("guest")
    if stub and not own:
        return out
    if not own and not call.has("noinit"):
        if "context" not in seen and not call.has("nocontext") and not call.has("maycontext"):
            out += _context(call)
        out += _places(call)
    for name, ctype in checkspec.types(call).items():
        wanted = ctype in ALWAYS if own else _is_handle(spec, ctype)
        if not wanted or name in seen or call.has("noinit"):
            continue
        nullable = any(arg.name == name and "null" in arg.attrs for arg in call.args)
        text = _handle(call, ctype, name)
        out += [f"\tif ({name})", "\t" + text[0]] if nullable else text
    return out


def function(call, symbol, statements):
    """check_SYMBOL: CUDA_SUCCESS, or the code of the first check that fails."""
    names = c.arguments(call)
    return [f"static CUresult check_{symbol}({c.parameters(call)})", "{",
            *[f"\t(void){name};" for name in names.split(", ") if name], *statements,
            "\treturn CUDA_SUCCESS;", "}", ""]
