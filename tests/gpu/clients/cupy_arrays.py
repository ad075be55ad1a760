# SPDX-License-Identifier: MIT
"""CuPy: element-wise, cuBLAS, cuFFT, cuSOLVER, cuSPARSE, cuRAND, RawKernel, memory pools, streams."""

import cupy

from case import case, main


@case('element-wise, reductions, sort')
def arrays(_):
    x = cupy.arange(1 << 20, dtype=cupy.float32)
    y = cupy.sin(x) * 2 + cupy.sqrt(x)
    return y, y.sum(), cupy.sort(y)[:1000], cupy.cumsum(x[:1000])


@case('matrix product (cuBLAS)')
def matmul(clock):
    a = cupy.arange(1 << 20, dtype=cupy.float32).reshape(1024, 1024) % 17
    b = a @ a
    with clock:
        for _ in range(10):
            b = a @ a
        cupy.cuda.Device().synchronize()
    return b


@case('FFT (cuFFT)')
def fft(_):
    x = cupy.random.default_rng(1).random((64, 1024), dtype=cupy.float32)
    return cupy.fft.rfft(x), cupy.fft.irfft(cupy.fft.rfft(x))


@case('solve, SVD, eigh (cuSOLVER)', rtol=1e-4)
def solver(_):
    cupy.random.seed(2)
    a = cupy.random.rand(128, 128)
    spd = a @ a.T + 128 * cupy.eye(128)
    return cupy.linalg.solve(spd, a), cupy.linalg.svd(a)[1], cupy.linalg.eigvalsh(spd)


@case('sparse matrices (cuSPARSE)')
def sparse(_):
    from cupyx.scipy import sparse as sp            # pylint: disable=import-outside-toplevel
    dense = (cupy.arange(256 * 256, dtype=cupy.float32).reshape(256, 256) % 7 == 0).astype(cupy.float32)
    return sp.csr_matrix(dense) @ cupy.arange(256, dtype=cupy.float32)


RAW = r'''
extern "C" __global__ void saxpy(float a, const float *x, float *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
'''


@case('RawKernel (NVRTC), launched 1000 times on a stream')
def raw(clock):
    kernel = cupy.RawKernel(RAW, 'saxpy')
    x = cupy.arange(1 << 16, dtype=cupy.float32)
    y = cupy.ones_like(x)
    stream = cupy.cuda.Stream(non_blocking=True)
    stream.wait_event(cupy.cuda.get_current_stream().record())
    with stream, clock:
        for _ in range(1000):
            kernel((256,), (256,), (cupy.float32(0.001), x, y, x.size))
        stream.synchronize()
    return y


@case('pinned memory and asynchronous copies')
def pinned(_):
    import numpy                                    # pylint: disable=import-outside-toplevel
    memory = cupy.cuda.alloc_pinned_memory(1 << 22)
    host = numpy.frombuffer(memory, numpy.float32, 1 << 20)
    host[...] = numpy.arange(1 << 20)
    device = cupy.empty(1 << 20, cupy.float32)
    stream = cupy.cuda.Stream()
    device.set(host, stream=stream)
    stream.synchronize()
    host[...] = 0
    device.get(stream=stream, out=host)
    stream.synchronize()
    return host.copy()


@case('managed memory')
def managed(_):
    before = cupy.cuda.get_allocator()
    cupy.cuda.set_allocator(cupy.cuda.malloc_managed)
    try:
        x = cupy.arange(1 << 20, dtype=cupy.float32)
        return x * 2
    finally:
        cupy.cuda.set_allocator(before)


if __name__ == '__main__':
    main()
