#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The coverage table: which of the driver's symbols are carried, and which of them tests have called.

    protocol/emit_docs.py [--check] [FILE]

Writes FILE (docs/coverage.md), or says whether it is what would be written. Made from cuda.api,
exports.txt and the lists of what programs have called with success (tests/programs/called-*.txt, made
by tests/programs/run-all --called).
"""

import os
import sys

import apispec
import emit_common

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CALLED = {way: os.path.join(ROOT, "tests", "programs", f"called-{way}.txt")
          for way in ("local", "gpu")}
# Exported by libcuda, declared in other headers than cuda.h and cudaProfiler.h.
FOREIGN = ("cudbg", "cuGL", "cuEGL", "cuVDPAU", "cuGraphicsGL", "cuGraphicsEGL", "cuGraphicsVDPAU",
           "cuGraphicsResourceGetMappedEglFrame", "cuMemGetAttribute")


def called(path):
    return set(apispec.read_words(path)) if os.path.exists(path) else None


def carried(call):
    if call.has("nowire"):
        return "in the guest"
    if call.has("async") or call.has("either"):
        return "asynchronous"
    return "replayed"


def state(spec, served, symbol):
    if symbol in spec.answered:
        return "in the guest: {} as the driver answers ({})".format(*spec.answered[symbol])
    if symbol in served and not served[symbol].has("refuses"):
        return carried(served[symbol])
    reason = spec.reason(symbol)
    return f"refused: {reason}" if reason else "not yet"


def mark(names, symbol):
    if names is None:
        return ""
    return "yes" if symbol in names else "no"


def summary(rows):
    have = [row for row in rows if not row[1].startswith("refused") and row[1] != "not yet"]
    toolkit = [row for row in rows if not row[0].startswith(FOREIGN)]
    out = [f"{len(rows)} symbols are exported, {len(toolkit)} of them declared in the toolkit's cuda.h "
           "and cudaProfiler.h (CUDA 13.0).", "",
           "| | of all | of the toolkit's |", "|---|---|---|"]
    kinds = [("implemented", lambda r: r in have),
             ("of these, answered with nothing but an error, as the driver does",
              lambda r: " as the driver answers" in r[1]),
             ("refused, with the reason", lambda r: r[1].startswith("refused")),
             ("not yet", lambda r: r[1] == "not yet"),
             ("implemented, and called with success over the local channel (libcuda-soft)",
              lambda r: r in have and r[2] == "yes"),
             ("implemented, and called with success on a GPU over the local channel",
              lambda r: r in have and r[3] == "yes")]
    for text, test in kinds:
        out.append(f"| {text} | {sum(map(test, rows))} | {sum(map(test, toolkit))} |")
    return out


def coverage(spec, variants, local, gpu):
    served = {symbol: call for call in spec.calls if not call.internal
              for symbol, _ in variants.of(call)}
    rows = []
    for symbol in sorted(variants.exports):
        how = state(spec, served, symbol)
        marks = [mark(names, symbol) if symbol in served else "" for names in (local, gpu)]
        rows.append((symbol, how, *marks))
    out = ["<!-- SPDX-License-Identifier: MIT -->", "# Coverage of the CUDA driver API", "",
           "Made by protocol/emit_docs.py (`make coverage`) from the spec, the names that NVIDIA's driver "
           "exports,", "and what the programs of tests/programs have called, and been answered "
           "CUDA_SUCCESS, at least once. A", "name without an entry resolves and answers "
           "CUDA_ERROR_NOT_SUPPORTED.", "",
           "*In the guest*: answered there, or brought down to calls of our own. *Asynchronous*: returns "
           "when its", "command is in the ring. *Replayed*: waits for the driver's answer. An empty column: "
           "nothing was measured.", ""]
    out += summary(rows)
    out += ["", "| symbol | state | local | GPU |", "|---|---|---|---|"]
    out += [f"| `{symbol}` | {how} | {here} | {there} |" for symbol, how, here, there in rows]
    return "\n".join(out) + "\n"


def text():
    spec = apispec.Spec()
    spec.read(os.path.join(HERE, "cuda.api"))
    variants = emit_common.Variants(apispec.read_words(os.path.join(HERE, "exports.txt")))
    return coverage(spec, variants, called(CALLED["local"]), called(CALLED["gpu"]))


def main(argv):
    check = argv[1:2] == ["--check"]
    paths = argv[2:] if check else argv[1:]
    path = paths[0] if paths else os.path.join(ROOT, "docs", "coverage.md")
    if check:
        with open(path, encoding="utf-8") as old:
            return 0 if old.read() == text() else 1
    with open(path, "w", encoding="utf-8") as new:
        new.write(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
