# SPDX-License-Identifier: MIT
"""CuPy on whatever libcuda.so.1 there is, as far as it needs no library of kernels: what it computes with kernels that NVRTC
compiles is compared with numpy. CUPY_COMPILE_WITH_PTX=1 has NVRTC give it PTX; CUPY_ACCELERATORS= leaves
CUB out, whose kernels are machine code.

    python3 cupy_programs.py [CASE...]
"""

import sys

import cupy
import numpy

from case import case, same, near, main


@case
def elementwise():
    x = numpy.linspace(0.1, 9, 10001)
    y = cupy.asarray(x)
    near((cupy.sqrt(y * 2 + 1) - cupy.sin(y) ** 3 / cupy.exp(-y)).get(),
         numpy.sqrt(x * 2 + 1) - numpy.sin(x) ** 3 / numpy.exp(-x), 1e-12)
    same((cupy.asarray(x) > 4).get(), x > 4)


@case
def broadcasting_and_slices():
    a, b = numpy.arange(300, dtype=numpy.int32).reshape(20, 15), numpy.arange(20, dtype=numpy.int64)[:, None]
    same((cupy.asarray(a)[::2, 3:] * cupy.asarray(b)[::2] - 7).get(), a[::2, 3:] * b[::2] - 7)
    same(cupy.asarray(a).T.copy().get(), a.T)
    same(cupy.concatenate([cupy.asarray(a)] * 3, axis=1).get(), numpy.concatenate([a] * 3, axis=1))


@case
def half_and_complex():
    x = (numpy.arange(1000) / 64).astype(numpy.float16)
    same((cupy.asarray(x) * cupy.float16(2) + cupy.float16(1)).get(), x * numpy.float16(2) + numpy.float16(1))
    z = numpy.arange(100) + 1j * numpy.arange(100)[::-1]
    near((cupy.asarray(z) ** 2 / (cupy.asarray(z) + 1)).get(), z ** 2 / (z + 1), 1e-12)


@case
def reductions():
    x = (numpy.arange(60000) * 7919 % 10007).reshape(60, 1000)
    y = cupy.asarray(x)
    same(y.sum(axis=0).get(), x.sum(axis=0))
    same(y.sum(axis=1).get(), x.sum(axis=1))
    same((int(y.max()), int(y.min()), int(y.argmax())), (x.max(), x.min(), x.argmax()))
    near(float(y.astype('f8').mean()), x.mean(), 1e-13)
    near(float(y.astype('f8').var()), x.var(), 1e-12)


@case
def raw_kernel():
    kernel = cupy.RawKernel(r'''
    extern "C" __global__ void tile_sum(const float *x, float *out, int n) {
        extern __shared__ float part[];
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        part[threadIdx.x] = i < n ? x[i] : 0.0f;
        __syncthreads();
        for (int half = blockDim.x / 2; half; half /= 2) {
            if (threadIdx.x < half)
                part[threadIdx.x] += part[threadIdx.x + half];
            __syncthreads();
        }
        if (!threadIdx.x)
            out[blockIdx.x] = part[0];
    }''', 'tile_sum')
    x = (numpy.arange(25600) % 23).astype(numpy.float32)
    out = cupy.zeros(100, cupy.float32)
    kernel((100,), (256,), (cupy.asarray(x), out, numpy.int32(x.size)), shared_mem=1024)
    same(out.get(), x.reshape(100, 256).sum(axis=1))


@case
def raw_module():
    module = cupy.RawModule(code=r'''
    __device__ int offset = 5;
    __constant__ float weights[4];
    template <typename T> __global__ void mix(const T *x, T *out, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n)
            out[i] = x[i] * (T)weights[i % 4] + (T)offset;
    }''', name_expressions=['mix<double>', 'mix<int>'])
    weights = cupy.ndarray(4, cupy.float32, module.get_global('weights'))
    weights[:] = cupy.asarray([1, 2, 3, 4], cupy.float32)
    for kind in ('double', 'int'):
        x = numpy.arange(1000).astype('f8' if kind == 'double' else 'i4')
        out = cupy.zeros_like(cupy.asarray(x))
        module.get_function(f'mix<{kind}>')((4,), (256,), (cupy.asarray(x), out, numpy.int32(1000)))
        same(out.get(), x * (1 + numpy.arange(1000) % 4) + 5)


@case
def own_elementwise_and_reduction_kernels():
    squares = cupy.ElementwiseKernel('T x, T y', 'T z', 'z = (x - y) * (x - y)', 'squares')
    norm = cupy.ReductionKernel('T x', 'T y', 'x * x', 'a + b', 'y = sqrt(a)', '0', 'root_of_squares')
    x, y = numpy.arange(500.0), numpy.arange(500.0)[::-1].copy()
    same(squares(cupy.asarray(x), cupy.asarray(y)).get(), (x - y) ** 2)
    near(float(norm(cupy.asarray(x))), numpy.linalg.norm(x), 1e-14)


@case
def fused():
    @cupy.fuse()
    def shape(x, y):
        return cupy.where(x > y, x * 2, y - 1)

    x, y = numpy.arange(99.0), numpy.arange(99.0)[::-1].copy()
    same(shape(cupy.asarray(x), cupy.asarray(y)).get(), numpy.where(x > y, x * 2, y - 1))


@case
def streams_events_pinned():
    stream, other = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    memory = cupy.cuda.alloc_pinned_memory(8 * 10000)
    host = numpy.frombuffer(memory, numpy.float64, 10000)
    host[:] = numpy.arange(10000)
    with stream:
        x = cupy.empty(10000)
        x.set(host)
        y = x * 3
    event = stream.record()
    other.wait_event(event)
    with other:
        z = (y + 1).get(stream=other)
    other.synchronize()
    same(z, numpy.arange(10000.0) * 3 + 1)


@case
def indexing():
    x = numpy.arange(1000, dtype=numpy.int32) * 3
    at = numpy.random.default_rng(1).integers(0, 1000, 400)
    y = cupy.asarray(x)
    same(y[cupy.asarray(at)].get(), x[at])
    y[cupy.asarray(at)] = -1
    x[at] = -1
    same(y.get(), x)
    same(cupy.where(y < 0, 0, y).get(), numpy.where(x < 0, 0, x))


@case
def out_of_memory():
    try:
        cupy.empty(1 << 50, cupy.uint8)
    except cupy.cuda.memory.OutOfMemoryError:
        return
    raise AssertionError('a pebibyte was had')


@case
def code_that_does_not_compile():
    try:
        cupy.RawKernel('extern "C" __global__ void f() { nothing; }', 'f').compile()
    except cupy.cuda.compiler.CompileException as error:
        assert 'nothing' in str(error)
        return
    raise AssertionError('it was compiled')


if __name__ == '__main__':
    sys.exit(main(f'CuPy {cupy.__version__}, runtime {cupy.cuda.runtime.runtimeGetVersion()}'))
