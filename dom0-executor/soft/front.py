#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The exported functions of the software driver.

    front.py FOLDER HEADER...

names.h calls the driver's own functions soft_NAME; in front.c are the exported ones, which check first what the
driver checks first (protocol/checks.api) and then call those. The headers are those of tables.py.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOL = os.path.join(HERE, "..", "..", "protocol")
sys.path.insert(0, PROTOCOL)

import apispec  # noqa: E402
import checkspec  # noqa: E402
import emit_checks  # noqa: E402
import emit_common as c  # noqa: E402
import tables  # noqa: E402


def entry(call, symbol, statements, enters):
    params, names = c.parameters(call), c.arguments(call)
    head = [f"CUresult soft_{symbol}({params});", *emit_checks.function(call, symbol, statements),
            f'__attribute__((visibility("default"))) CUresult {symbol}({params})', "{"]
    if not enters:
        return [*head, f"\tCUresult result = check_{symbol}({names});", "",
                f"\treturn result ? result : soft_{symbol}({names});", "}", ""]
    return [*head, f"\tbool entered = context_enter_{enters}({call.stream});",
            f"\tCUresult result = check_{symbol}({names});", "",
            "\tif (!result)", f"\t\tresult = soft_{symbol}({names});",
            "\tcontext_exit(entered);", "\treturn result;", "}", ""]


def main(folder, headers):
    spec = apispec.Spec()
    spec.read(os.path.join(PROTOCOL, "cuda.api"))
    variants = c.Variants(apispec.read_words(os.path.join(PROTOCOL, "exports.txt")))
    table = checkspec.Checks(os.path.join(PROTOCOL, "checks.api"))
    have = tables.symbols(headers)
    names, front = [], [c.head("what libcuda-soft exports"), '#include "protocol/cuda_proto.h"',
                        '#include "dom0-executor/soft/check.h"',
                        '#include "dom0-executor/soft/context.h"\n']
    for call in spec.calls:
        for symbol, _ in [] if call.internal else variants.of(call):
            statements = emit_checks.checks(spec, call, symbol, table)
            if symbol in have and statements:
                names.append(f"#define {symbol} soft_{symbol}")
                front += entry(call, symbol, statements, emit_checks.enters(call, symbol, table))
    table.check_used()
    for name, lines in ("names.h", names), ("front.c", front):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as output:
            output.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
