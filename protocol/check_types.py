#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare protocol/cuda_types.h with the toolkit's cuda.h.

Every constant's value, every structure's size and every field's offset and size are printed by one
C program compiled twice, once with each header, and the two outputs compared. Then every prototype
of cuda.h is compiled against our header alone. Exit status: 0 equal, 1 different, 77 no cuda.h of
CUDA 13.0 found.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = os.path.join(ROOT, "protocol", "cuda_types.h")
VERSION = 13000
CC = os.environ.get("CC", "gcc")
# Types that exist only with this: the structures of before CUDA 3.2.
INTERNAL = "-D__CUDA_API_VERSION_INTERNAL"


def find_cuda_h():
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda", *glob.glob("/usr/local/cuda-*")]
    homes += [os.path.join(ROOT, "build", "nvcc")]
    for home in filter(None, homes):
        for sub in ("include", "targets/x86_64-linux/include"):
            path = os.path.join(home, sub, "cuda.h")
            if os.path.exists(path) and version_of(path) == VERSION:
                return path
    return None


def version_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        match = re.search(r"#define CUDA_VERSION (\d+)", f.read())
    return int(match.group(1)) if match else 0


def preprocess(args):
    return subprocess.run([CC, "-E", "-P", *args], check=True, capture_output=True, text=True).stdout


def our_text():
    """Our declarations with macros replaced, without what comes from system headers."""
    text = preprocess(["-x", "c", OURS])
    return text[text.index("typedef uint32_t cuuint32_t"):]


def our_macros():
    names = []
    with open(OURS, encoding="utf-8") as f:
        for line in f:
            match = re.match(r"#define (CU\w+)\b", line)
            if match:
                names.append(match.group(1))
    return names


def split_members(body):
    """The members of a structure's body: split at semicolons outside of braces."""
    depth, start = 0, 0
    for i, c in enumerate(body):
        depth += (c == "{") - (c == "}")
        if c == ";" and depth == 0:
            yield body[start:i].strip()
            start = i + 1


def fields_of(body, prefix=""):
    for member in split_members(body):
        nested = re.match(r"(?:struct|union)\b[^{]*\{(.*)\}\s*(\w*)$", member, re.S)
        if nested:
            name = nested.group(2)
            if name:
                yield prefix + name
            yield from fields_of(nested.group(1), prefix + name + "." if name else prefix)
            continue
        member = re.sub(r"(\[[^]]*\]\s*)+$", "", member).strip()
        if ":" not in member:  # not a bit-field
            yield prefix + re.search(r"(\w+)$", member).group(1)


def declarations(text):
    """(constants, {type: fields}, scalar types) of preprocessed C."""
    constants, structs, scalars = [], {}, []
    pos = 0
    while True:
        match = re.compile(r"typedef\s+(enum|struct|union)?").search(text, pos)
        if not match:
            return constants, structs, scalars
        end, depth = match.end(), 0
        while text[end] != ";" or depth:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        whole, pos = text[match.start():end], end
        body = re.search(r"\{(.*)\}", whole, re.S)
        callback = re.match(r"typedef[^{]*?\(\*(\w+)\)", whole)
        name = callback.group(1) if callback else re.search(r"(\w+)\s*$", whole).group(1)
        scalars.append(name)
        if body and match.group(1) == "enum":
            constants += re.findall(r"(\w+)\s*=", body.group(1))
        elif body:
            structs[name] = list(fields_of(body.group(1)))


def printer(include):
    constants, structs, scalars = declarations(our_text())
    lines = ["#include <stdio.h>", "#include <stddef.h>", include, "int main(void)", "{"]
    for name in constants + our_macros():
        lines.append(f'\tprintf("{name} = %lld\\n", (long long)({name}));')
    for name in scalars:
        lines.append(f'\tprintf("sizeof {name} = %zu align %zu\\n", sizeof({name}), _Alignof({name}));')
    for name, fields in structs.items():
        for field in fields:
            lines.append(f'\tprintf("{name}.{field} at %zu size %zu\\n", offsetof({name}, {field}), '
                         f"sizeof((({name} *)0)->{field}));")
    return "\n".join([*lines, "\treturn 0;", "}", ""])


def output_of(include, flags, folder):
    source, binary = os.path.join(folder, "print.c"), os.path.join(folder, "print")
    with open(source, "w", encoding="utf-8") as f:
        f.write(printer(include))
    subprocess.run([CC, "-std=gnu11", "-w", *flags, source, "-o", binary], check=True)
    return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def compare(cuda_h, folder):
    ours = output_of(f'#include "{OURS}"', [], folder)
    theirs = output_of(f'#include "{cuda_h}"', [INTERNAL], folder)
    wrong = [(a, b) for a, b in zip(ours, theirs) if a != b]
    for a, b in wrong:
        print(f"check_types: ours: {a}; cuda.h: {b}")
    return len(ours), len(wrong)


def missing_constants(cuda_h):
    """Constants of cuda.h that we lack."""
    theirs = preprocess([INTERNAL, cuda_h])
    theirs = theirs[theirs.index("typedef uint32_t cuuint32_t"):]
    wanted = set()
    for body in re.findall(r"typedef enum\b[^{;]*\{(.*?)\}", theirs, re.S):
        wanted |= set(re.findall(r"(?:^|,)\s*(\w+)", body))
    have = set(declarations(our_text())[0])
    return sorted(n for n in wanted - have if n)


def prototypes_compile(cuda_h, folder):
    text = preprocess([INTERNAL, cuda_h])
    found = re.findall(r"\bCUresult\s+cu\w+\s*\([^;{}]*\)\s*;", text)
    source = os.path.join(folder, "prototypes.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write(f'#include "{OURS}"\n' + "\n".join(found) + "\n")
    done = subprocess.run([CC, "-std=gnu11", "-Wall", "-fsyntax-only", source], check=False)
    return len(found), done.returncode == 0


def main():
    cuda_h = find_cuda_h()
    if not cuda_h:
        print("SKIP check_types: no cuda.h of CUDA 13.0 on this machine, nothing was compared")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        lines, wrong = compare(cuda_h, folder)
        count, compiled = prototypes_compile(cuda_h, folder)
    missing = missing_constants(cuda_h)
    for name in missing:
        print(f"check_types: cuda.h has {name}, we do not")
    ok = not wrong and not missing and compiled and lines > 1500 and count > 500
    print(f"check_types: {lines} facts compared with {cuda_h}, {wrong} differ, {len(missing)} constants "
          f"missing; {count} prototypes {'declared' if compiled else 'do NOT compile'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
