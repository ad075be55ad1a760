# SPDX-License-Identifier: MIT
"""numba-cuda: kernels, shared memory, atomics, streams, mapped and managed arrays."""

import numpy

if not hasattr(numpy, 'row_stack'):         # numba 0.68 asks for it, numpy 2.5 has dropped it
    numpy.row_stack = numpy.vstack

from numba import cuda, float32             # noqa: E402  pylint: disable=wrong-import-position

from case import case, main                 # noqa: E402  pylint: disable=wrong-import-position


@cuda.jit
def saxpy(a, x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = a * x[i] + y[i]


@cuda.jit
def block_sum(x, out):
    shared = cuda.shared.array(256, float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    shared[t] = x[i] if i < x.size else 0
    cuda.syncthreads()
    half = 128
    while half:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        cuda.atomic.add(out, 0, 1)
        out[cuda.blockIdx.x + 1] = shared[0]


@case('kernel')
def kernel(_):
    x = numpy.arange(100000, dtype=numpy.float32)
    y = cuda.to_device(numpy.ones_like(x))
    saxpy[400, 256](2, cuda.to_device(x), y)
    return y.copy_to_host()


@case('shared memory and atomics')
def reduce(_):
    out = cuda.to_device(numpy.zeros(401, numpy.float32))
    block_sum[400, 256](cuda.to_device(numpy.arange(102400, dtype=numpy.float32) % 31), out)
    return out.copy_to_host()


@case('streams and pinned memory')
def streams(_):
    stream = cuda.stream()
    with cuda.pinned(host := numpy.arange(65536, dtype=numpy.float32)):
        x = cuda.to_device(host, stream=stream)
        y = cuda.device_array_like(x, stream=stream)
        y.copy_to_device(x, stream=stream)
        saxpy[256, 256, stream](3, x, y)
        y.copy_to_host(host, stream=stream)
        stream.synchronize()
    return host


@case('mapped array')
def mapped(_):
    y = cuda.mapped_array(1000, numpy.float32)
    y[:] = 1
    saxpy[4, 256](2, cuda.to_device(numpy.arange(1000, dtype=numpy.float32)), y)
    cuda.synchronize()
    return numpy.array(y)


@case('managed array')
def managed(_):
    y = cuda.managed_array(1000, numpy.float32)
    y[:] = 1
    saxpy[4, 256](2, cuda.to_device(numpy.arange(1000, dtype=numpy.float32)), y)
    cuda.synchronize()
    return numpy.array(y)


if __name__ == '__main__':
    main()
