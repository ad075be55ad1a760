#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate everything that follows from the spec of NVML.

usage: nvmlgen.py SPEC EXPORTS OUTPUT-FOLDER

Writes the files listed in outputs() below OUTPUT-FOLDER; one whose text has not changed is left
alone. EXPORTS lists the symbols that the library must have.
"""

import os
import sys

import apigen
import apispec
import emit_nvml
import nvmlspec


def outputs(spec, exports):
    return {
        "protocol/nvml_ops.h": emit_nvml.ops(spec),
        "protocol/nvml_proto.h": emit_nvml.prototypes(spec),
        "xen-frontend/nvml/calls.h": emit_nvml.guest_header(spec),
        "xen-frontend/nvml/stubs.c": emit_nvml.guest_stubs(spec),
        "xen-frontend/nvml/entries.c": emit_nvml.guest_entries(spec, exports),
        "xen-frontend/nvml/libnvidia-ml.map": emit_nvml.export_map(exports),
        "dom0-executor/nvml_calls.h": emit_nvml.exec_header(spec),
        "dom0-executor/nvml_dispatch.c": emit_nvml.exec_dispatch(spec),
        "docs/nvml-coverage.md": emit_nvml.coverage(spec, exports),
    }


def check_exports(spec, exports, where):
    for call in spec.calls:
        for symbol in call.symbols:
            if symbol not in exports:
                raise nvmlspec.SpecError(call.where, f"{symbol} is not among {where}")
    for symbol in list(spec.refused) + spec.own:
        if symbol not in exports:
            raise nvmlspec.SpecError(where, f"the spec has {symbol}, which is not exported")


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    spec = nvmlspec.Spec()
    try:
        spec.read(argv[1])
        exports = apispec.read_words(argv[2])
        check_exports(spec, exports, argv[2])
    except (nvmlspec.SpecError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in outputs(spec, exports).items():
        apigen.write(os.path.join(argv[3], name), text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
