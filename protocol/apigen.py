#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate everything that follows from the spec of the CUDA driver API.

usage: apigen.py SPEC OUTPUT-FOLDER

Writes the files listed in OUTPUTS below OUTPUT-FOLDER; one whose text has not changed is left
alone, so that nothing is built again for it.
"""

import os
import sys

import apispec
import checkspec
import emit_common
import emit_executor
import emit_fields
import emit_guest
import emit_shared


def outputs(spec, here):
    data = lambda name: os.path.join(here, name)
    variants = emit_common.Variants(apispec.read_words(data("exports.txt")))
    procs = apispec.read_table(data("procaddress.tsv"))
    errors = apispec.read_table(data("errors.tsv"))
    checks = checkspec.Checks(data("checks.api"))
    return {
        "protocol/handle_types.h": emit_shared.handle_types(spec),
        "protocol/calls.h": emit_shared.calls_header(spec),
        "protocol/cuda_proto.h": emit_shared.prototypes(spec, variants),
        "protocol/op_names.c": emit_shared.op_names(spec),
        "protocol/errors.c": emit_shared.errors(errors),
        "protocol/call_fields.c": emit_fields.tables(spec),
        "xen-frontend/libcuda/calls.h": emit_guest.header(spec),
        "xen-frontend/libcuda/stubs.c": emit_guest.stubs(spec),
        "xen-frontend/libcuda/entries.c": emit_guest.entries(spec, variants, checks),
        "xen-frontend/libcuda/procs.c": emit_guest.proc_table(procs, spec, variants),
        "xen-frontend/libcuda/libcuda.map": emit_guest.export_map(variants),
        "dom0-executor/calls.h": emit_executor.header(spec, variants),
        "dom0-executor/driver_table.c": emit_executor.driver(spec, variants),
        "dom0-executor/dispatch.c": emit_executor.dispatch(spec, variants),
    }


def write(path, text):
    try:
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)


def main(argv):
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    spec = apispec.Spec()
    try:
        spec.read(argv[1])
        made = outputs(spec, os.path.dirname(os.path.abspath(__file__)))
    except (apispec.SpecError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in made.items():
        write(os.path.join(argv[2], name), text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
