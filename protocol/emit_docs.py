# SPDX-License-Identifier: MIT
"""Emitter of the coverage table."""


def coverage(spec, variants):
    served = {symbol: call for call in spec.calls if not call.internal
              for symbol, _ in variants.of(call)}
    total, have = len(variants.exports), len(served)
    out = ["# Coverage of the CUDA driver API", "",
           "Made from protocol/cuda.api by `make docs`; which of these a test calls is not measured",
           "here. Symbols without an entry resolve and answer CUDA_ERROR_NOT_SUPPORTED.", "",
           f"{have} of {total} exported symbols are implemented.", "",
           "| symbol | how |", "|---|---|"]
    for symbol in sorted(variants.exports):
        call = served.get(symbol)
        if not call:
            how = "not supported"
        elif not call.wire:
            how = "answered in the guest, or by calls of our own"
        elif call.has("async") or call.has("either"):
            how = "asynchronous"
        else:
            how = "replayed"
        out.append(f"| `{symbol}` | {how} |")
    return "\n".join(out) + "\n"
