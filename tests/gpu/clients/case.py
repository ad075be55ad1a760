# SPDX-License-Identifier: MIT
"""Cases of a client: each computes something on the GPU and says in one line of JSON what came out and how
long it took, so that tests/gpu/run-clients can compare two runs.

    {"case": NAME, "seconds": S, "digest": SHA256}              compared bit by bit
    {"case": NAME, "seconds": S, "values": [...], "rtol": R}    where native itself differs from run to run
    {"case": NAME, "skip": WHY} or {"case": NAME, "error": WHAT}
"""

import hashlib
import json
import sys
import time
import traceback

CASES = []


class Skip(Exception):
    """The case cannot be had on this machine."""


class Clock:
    """Times the part of a case that counts: what it builds before is left out."""

    def __init__(self):
        self.seconds = None

    def __enter__(self):
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.began


def case(name, rtol=None):
    """A case returns arrays, numbers and texts; it is given a Clock, which it need not use."""
    def keep(function):
        CASES.append((name, rtol, function))
        return function
    return keep


def as_bytes(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if hasattr(value, 'detach'):                    # torch
        value = value.detach().cpu().contiguous()
        return str(value.dtype).encode() + value.view(-1).numpy(force=True).tobytes() \
            if str(value.dtype) != 'torch.bfloat16' else value.float().numpy().tobytes()
    if hasattr(value, 'get'):                       # cupy
        value = value.get()
    if hasattr(value, 'tobytes'):
        return value.tobytes()
    if hasattr(value, '__array__'):                 # jax
        import numpy                                # pylint: disable=import-outside-toplevel
        return numpy.asarray(value).tobytes()
    return repr(value).encode()


def as_floats(value):
    import numpy                                    # pylint: disable=import-outside-toplevel
    if hasattr(value, 'detach'):
        value = value.detach().float().cpu().numpy()
    elif hasattr(value, 'get'):
        value = value.get()
    flat = numpy.asarray(value, dtype='float64').ravel()
    if flat.size <= 8:
        return flat.tolist()
    return [*flat[:4].tolist(), float(flat.mean()), float(numpy.abs(flat).mean())]


def run(name, rtol, function):
    clock, began = Clock(), time.perf_counter()
    line = {'case': name}
    try:
        results = function(clock)
        if not isinstance(results, (list, tuple)):
            results = [results]
        line['seconds'] = clock.seconds or time.perf_counter() - began
        if rtol is None:
            total = hashlib.sha256()
            for result in results:
                total.update(as_bytes(result))
            line['digest'] = total.hexdigest()
        else:
            line['values'] = [number for result in results for number in as_floats(result)]
            line['rtol'] = rtol
    except Skip as why:
        line['skip'] = str(why)
    except Exception as error:                      # pylint: disable=broad-except
        traceback.print_exc()
        line['error'] = f'{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}'[:300]
    print(json.dumps(line), flush=True)


def main():
    """All cases, or those named on the command line."""
    for name, rtol, function in CASES:
        if not sys.argv[1:] or name in sys.argv[1:]:
            run(name, rtol, function)
