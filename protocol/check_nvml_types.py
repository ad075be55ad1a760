#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare protocol/nvml_types.h with NVIDIA's nvml.h.

Every constant's value, every structure's size and every field's offset and size are printed by one C
program compiled twice, once with each header, and the two outputs compared; so are the numbers of
arguments of every function of nvml.api. Exit status: 0 equal, 1 different, 77 no nvml.h of CUDA 13.0 found.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import check_types
import nvmlspec

ROOT = check_types.ROOT
OURS = os.path.join(ROOT, "protocol", "nvml_types.h")
SPEC = os.path.join(ROOT, "protocol", "nvml.api")
# Facts of the header of CUDA 13.0: later ones have newer versions behind some names.
VERSION = "nvmlDeviceGetAddressingMode"


def find_header():
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda", *glob.glob("/usr/local/cuda-*")]
    homes += [os.path.join(ROOT, "build", "nvml"), os.path.join(ROOT, "build", "nvcc")]
    for home in filter(None, homes):
        for sub in ("include", "targets/x86_64-linux/include"):
            path = os.path.join(home, sub, "nvml.h")
            if os.path.exists(path) and is_ours(path):
                return path
    return None


def is_ours(path):
    """The header that belongs to the driver whose exports we have: none of its functions is unknown to it."""
    exports = set(nvmlspec_exports())
    return VERSION in exports and set(prototypes(path)) <= exports and len(prototypes(path)) > 350


def nvmlspec_exports():
    with open(os.path.join(ROOT, "protocol", "nvml_exports.txt"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.startswith("nvml")]


def prototypes(path):
    """{function: number of arguments}"""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read(), flags=re.S)
    found = re.findall(r"DECLDIR\s+(nvml\w+)\s*\(([^;]*?)\)\s*;", text, re.S)
    return {name: 0 if args.strip() == "void" else args.count(",") + 1 for name, args in found}


def our_text():
    text = check_types.preprocess(["-x", "c", f"-I{ROOT}", OURS])
    return text[text.index("typedef struct nvmlDevice_st"):]


def our_constants():
    with open(OURS, encoding="utf-8") as file:
        text = file.read()
    macros = re.findall(r"^#define (NVML_\w+|MAX_\w+)[ \t]+[\d(]", text, re.M)
    enums = re.findall(r"^\t(NVML_\w+) = ", text, re.M)
    return [name for name in enums + macros if name != "NVML_STRUCT_VERSION"]


def printer(include):
    _, structs, scalars = check_types.declarations(our_text())
    lines = ["#include <stdio.h>", "#include <stddef.h>", include, "int main(void)", "{"]
    lines += [f'\tprintf("{name} = %lld\\n", (long long)({name}));' for name in our_constants()]
    for name in scalars:
        lines.append(f'\tprintf("sizeof {name} = %zu align %zu\\n", sizeof({name}), _Alignof({name}));')
    for name, fields in structs.items():
        for field in fields:
            field = re.sub(r"\..*", "", field)
            lines.append(f'\tprintf("{name}.{field} at %zu size %zu\\n", offsetof({name}, {field}), '
                         f"sizeof((({name} *)0)->{field}));")
    return "\n".join([*lines, "\treturn 0;", "}", ""])


def output_of(include, folder):
    source, binary = os.path.join(folder, "print.c"), os.path.join(folder, "print")
    with open(source, "w", encoding="utf-8") as file:
        file.write(printer(include))
    subprocess.run([check_types.CC, "-std=gnu11", "-w", f"-I{ROOT}", source, "-o", binary], check=True)
    return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def arguments_of(call):
    return len(call.raw) + sum(len(arg.names) for arg in call.args)


def compare_calls(header):
    """Calls of the spec whose number of arguments is another one's."""
    spec, theirs = nvmlspec.Spec(), prototypes(header)
    spec.read(SPEC)
    wrong = [(symbol, arguments_of(call), theirs[symbol]) for call in spec.calls
             for symbol in call.symbols if symbol in theirs and theirs[symbol] != arguments_of(call)]
    for symbol, ours, there in wrong:
        print(f"check_nvml_types: {symbol} has {ours} arguments in nvml.api, {there} in nvml.h")
    return sum(len(call.symbols) for call in spec.calls), len(wrong)


def main():
    header = find_header()
    if not header:
        print("SKIP check_nvml_types: no nvml.h of CUDA 13.0 on this machine, nothing was compared")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        ours = output_of(f'#include "{OURS}"', folder)
        theirs = output_of(f'#include "{header}"', folder)
    wrong = [(a, b) for a, b in zip(ours, theirs) if a != b]
    for a, b in wrong:
        print(f"check_nvml_types: ours: {a}; nvml.h: {b}")
    calls, different = compare_calls(header)
    good = not wrong and not different and len(ours) == len(theirs) and len(ours) > 400 and calls > 150
    print(f"check_nvml_types: {len(ours)} facts compared with {header}, {len(wrong)} differ; {calls} functions, "
          f"{different} differ")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
