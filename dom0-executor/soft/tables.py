#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables that the software driver includes.

    tables.py errors  ERRORS.TSV                     entries of { code, name, text }
    tables.py entries PROCADDRESS.TSV HEADER...      entries of { name, since, legacy, per_thread }
    tables.py map     HEADER...                      the version script

The headers (api.h, variants.h, old.h, nvml.h) name the calls that this driver has. Entries are those of the
real driver's table; a symbol that we lack refuses.
"""
import re
import sys


def rows(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


def symbols(headers):
    names = set()
    for header in headers:
        with open(header, encoding="utf-8") as f:
            text = f.read()
        names |= set(re.findall(r"^CUresult (cu\w+)\(", text, re.M))
        names |= set(re.findall(r"^(?:nvmlReturn_t|void) (nvml\w+|vg_soft_\w+)\(", text, re.M))
        names |= {n + s for n, s in re.findall(r"^VARIANT\((\w+), (\w+),", text, re.M)}
        names |= set(re.findall(r"^(?:SAME|NARROW)\((\w+),", text, re.M))
    return names


def errors(path):
    for code, name, text in rows(path):
        print(f'{{ (CUresult){code}, "{name}", "{text}" }},')


def entries(path, *headers):
    have = symbols(headers)
    answers = {}
    for name, flag, since, symbol in rows(path):
        if not symbol.startswith("-"):
            answers.setdefault(name, {}).setdefault(int(since), {})[int(flag)] = symbol
    for name in sorted(answers):
        legacy = per_thread = None
        for since in sorted(answers[name]):
            legacy = answers[name][since].get(0, legacy)
            per_thread = answers[name][since].get(2, per_thread)
            one, two = (s if s in have else "call_refused" for s in (legacy, per_thread))
            print(f'{{ "{name}", {since}, (void *){one}, (void *){two} }},')


def version_script(*headers):
    print("{\n\tglobal:")
    for name in sorted(symbols(headers)):
        print(f"\t\t{name};")
    print("\t\tptx_*;")  # for the compiler, libcuda-soft-jit.so
    print("\tlocal: *;\n};")


if __name__ == "__main__":
    {"errors": errors, "entries": entries, "map": version_script}[sys.argv[1]](*sys.argv[2:])
