# SPDX-License-Identifier: MIT
"""numba's CUDA target on whatever libcuda.so.1 there is: each case computes on the device and compares with numpy.

    python3 numba_programs.py [--list] [CASE...]
"""

import math
import os
import sys
import tempfile
import warnings

import numpy

warnings.simplefilter('ignore')
from numba import cuda, float32, float64, int32, vectorize      # noqa: E402
from numba.cuda.cudadrv.driver import CudaAPIError               # noqa: E402
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32  # noqa: E402

from case import case, same, near, main                          # noqa: E402


# --- kernels ----------------------------------------------------------------------------------

@cuda.jit
def add(a, b, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a[i] + b[i]


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
        out[cuda.blockIdx.x] = shared[0]


@cuda.jit
def histogram(x, counts, sums, largest, smallest):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(counts, x[i] % counts.size, 1)
        cuda.atomic.add(sums, 0, float64(x[i]))
        cuda.atomic.max(largest, 0, x[i])
        cuda.atomic.min(smallest, 0, x[i])


@cuda.jit
def swap_once(places, winners):
    i = cuda.grid(1)
    if cuda.atomic.cas(places, i % places.size, 0, i + 1) == 0:
        cuda.atomic.add(winners, 0, 1)


TILE = 16


@cuda.jit
def matmul(a, b, out):
    left = cuda.shared.array((TILE, TILE), float32)
    right = cuda.shared.array((TILE, TILE), float32)
    row, column = cuda.grid(2)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for tile in range((a.shape[1] + TILE - 1) // TILE):
        k = tile * TILE
        left[x, y] = a[row, k + y] if row < a.shape[0] and k + y < a.shape[1] else 0
        right[x, y] = b[k + x, column] if k + x < b.shape[0] and column < b.shape[1] else 0
        cuda.syncthreads()
        for i in range(TILE):
            total += left[x, i] * right[i, y]
        cuda.syncthreads()
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


@cuda.jit(device=True)
def clamp(x, low, high):
    return low if x < low else high if x > high else x


@cuda.jit(device=True, inline=False)
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@cuda.jit
def call_devices(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = collatz(clamp(x[i], 1, 97))


@cuda.jit
def functions64(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[0, i] = math.sin(v)
        out[1, i] = math.cos(v)
        out[2, i] = math.tan(v)
        out[3, i] = math.exp(v)
        out[4, i] = math.log(v + 9)
        out[5, i] = math.sqrt(v + 9)
        out[6, i] = math.atan2(v, 2.0)
        out[7, i] = math.pow(abs(v), 1.5)
        out[8, i] = math.erf(v)
        out[9, i] = math.floor(v) + 10 * math.ceil(v)
        out[10, i] = math.fmod(v, 0.75)
        out[11, i] = math.tanh(v)
        out[12, i] = math.lgamma(v + 9)
        out[13, i] = math.hypot(v, 1.0)


@cuda.jit
def functions32(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[0, i] = math.sin(v)
        out[1, i] = math.exp(v)
        out[2, i] = math.log(v + float32(9))
        out[3, i] = math.sqrt(v + float32(9))
        out[4, i] = math.atan(v)
        out[5, i] = math.pow(abs(v), float32(2.5))


@cuda.jit
def integers(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[0, i] = cuda.popc(x[i])
        out[1, i] = cuda.clz(x[i])
        out[2, i] = cuda.ffs(x[i])
        out[3, i] = cuda.brev(x[i])
        out[4, i] = x[i] // 7 + x[i] % 7
        out[5, i] = (x[i] << 3) ^ (x[i] >> 5)


@cuda.jit
def warp(x, sums, votes):
    lane = cuda.laneid
    value = x[cuda.threadIdx.x]
    for distance in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(0xffffffff, value, distance)
    vote = cuda.ballot_sync(0xffffffff, x[cuda.threadIdx.x] % 3 == 0)
    if lane == 0:
        sums[cuda.threadIdx.x // 32] = value
        votes[cuda.threadIdx.x // 32] = vote


WEIGHTS = numpy.array([1, 3, 5, 7, 11], numpy.float32)


@cuda.jit
def convolve(x, out):
    weights = cuda.const.array_like(WEIGHTS)
    window = cuda.local.array(5, float32)
    i = cuda.grid(1)
    if i < out.size:
        for k in range(5):
            window[k] = x[i + k]
        total = float32(0)
        for k in range(5):
            total += window[k] * weights[k]
        out[i] = total


@cuda.jit
def hello():
    if cuda.threadIdx.x == 3:
        print('thread', cuda.threadIdx.x, 'of block', cuda.blockIdx.x, 'says', 2.5)


@cuda.jit
def draw(states, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = xoroshiro128p_uniform_float32(states, i)


PAIR = numpy.dtype([('x', numpy.float64), ('n', numpy.int32)], align=True)


@cuda.jit
def records(pairs):
    i = cuda.grid(1)
    if i < pairs.size:
        pairs[i].x = pairs[i].x * pairs[i].n
        pairs[i].n += 1


# --- cases ------------------------------------------------------------------------------------

@case
def vector_add():
    a = numpy.arange(100003, dtype=numpy.float64)
    b = a[::-1].copy()
    out = cuda.device_array_like(a)
    add[(a.size + 255) // 256, 256](cuda.to_device(a), cuda.to_device(b), out)
    same(out.copy_to_host(), a + b)


@case
def host_arrays():
    """numba copies them there and back itself."""
    a, out = numpy.arange(1000, dtype=numpy.int64), numpy.zeros(1000, numpy.int64)
    add[4, 256](a, 3 * a, out)
    same(out, 4 * a)


@case
def strided_and_two_types():
    whole = numpy.arange(4000, dtype=numpy.float32).reshape(40, 100)
    on_device = cuda.to_device(whole)
    out = cuda.device_array((40, 3), numpy.float64)
    add[1, 128](on_device[:, 7], on_device[:, 31], out[:, 1])
    same(out.copy_to_host()[:, 1], whole[:, 7] + whole[:, 31])


@case
def shared_memory_reduction():
    x = (numpy.arange(102400) % 31).astype(numpy.float32)
    out = cuda.device_array(400, numpy.float32)
    block_sum[400, 256](cuda.to_device(x), out)
    same(out.copy_to_host(), x.reshape(400, 256).sum(axis=1))


@case
def atomics():
    x = ((numpy.arange(50000, dtype=numpy.int64) * 7919) % 10007).astype(numpy.int32)
    counts, sums = cuda.to_device(numpy.zeros(97, numpy.int32)), cuda.to_device(numpy.zeros(1))
    largest = cuda.to_device(numpy.full(1, -1, numpy.int32))
    smallest = cuda.to_device(numpy.full(1, 1 << 30, numpy.int32))
    histogram[200, 256](cuda.to_device(x), counts, sums, largest, smallest)
    same(counts.copy_to_host(), numpy.bincount(x % 97, minlength=97))
    same(sums.copy_to_host()[0], float(x.sum()))
    same((largest.copy_to_host()[0], smallest.copy_to_host()[0]), (x.max(), x.min()))


@case
def compare_and_swap():
    places, winners = cuda.to_device(numpy.zeros(77, numpy.int32)), cuda.to_device(numpy.zeros(1, numpy.int32))
    swap_once[20, 128](places, winners)
    same(winners.copy_to_host()[0], 77)
    same((places.copy_to_host() - 1) % 77, numpy.arange(77))


@case
def two_dimensional_grid():
    rng = numpy.random.default_rng(1)
    a, b = rng.random((70, 53), numpy.float32), rng.random((53, 91), numpy.float32)
    out = cuda.device_array((70, 91), numpy.float32)
    matmul[(5, 6), (TILE, TILE)](cuda.to_device(a), cuda.to_device(b), out)
    near(out.copy_to_host(), a @ b, 1e-5)


@case
def device_functions():
    x = numpy.arange(-50, 200, dtype=numpy.int32)
    out = numpy.zeros(x.size, numpy.int32)
    call_devices[1, 256](x, out)
    same(out, [collatz.py_func(int(v)) for v in numpy.clip(x, 1, 97)])


@case
def math_functions():
    x = numpy.linspace(-7.3, 7.1, 777)
    out = numpy.zeros((14, x.size))
    functions64[4, 256](x, out)
    wanted = [numpy.sin(x), numpy.cos(x), numpy.tan(x), numpy.exp(x), numpy.log(x + 9), numpy.sqrt(x + 9),
              numpy.arctan2(x, 2), abs(x) ** 1.5, [math.erf(v) for v in x], numpy.floor(x) + 10 * numpy.ceil(x),
              numpy.fmod(x, 0.75), numpy.tanh(x), [math.lgamma(v + 9) for v in x], numpy.hypot(x, 1)]
    near(out, numpy.array(wanted), 1e-12)


@case
def math_functions_single():
    x = numpy.linspace(-7.3, 7.1, 777).astype(numpy.float32)
    out = numpy.zeros((6, x.size), numpy.float32)
    functions32[4, 256](x, out)
    wanted = [numpy.sin(x), numpy.exp(x), numpy.log(x + 9), numpy.sqrt(x + 9), numpy.arctan(x), abs(x) ** 2.5]
    near(out, numpy.array(wanted), 2e-5)


@case
def integer_functions():
    x = numpy.random.default_rng(2).integers(1, 1 << 31, 500, dtype=numpy.uint32)
    out = numpy.zeros((6, x.size), numpy.uint32)
    integers[2, 256](x, out)
    bits = [f'{v:032b}' for v in x]
    wanted = [[b.count('1') for b in bits], [len(b) - len(b.lstrip('0')) for b in bits],
              [len(b) - len(b.rstrip('0')) + 1 for b in bits], [int(b[::-1], 2) for b in bits], x // 7 + x % 7,
              (x << numpy.uint32(3)) ^ (x >> numpy.uint32(5))]
    same(out, numpy.array(wanted, numpy.uint32))


@case
def warps():
    x = numpy.arange(128, dtype=numpy.int32) ** 2
    sums, votes = numpy.zeros(4, numpy.int32), numpy.zeros(4, numpy.uint32)
    warp[1, 128](x, sums, votes)
    same(sums, x.reshape(4, 32).sum(axis=1))
    same(votes, [sum(1 << lane for lane in range(32) if row[lane] % 3 == 0) for row in x.reshape(4, 32)])


@case
def constant_and_local_arrays():
    x = numpy.arange(1004, dtype=numpy.float32) % 17
    out = numpy.zeros(1000, numpy.float32)
    convolve[4, 256](x, out)
    same(out, numpy.correlate(x, WEIGHTS, 'valid'))


@case
def structures():
    pairs = numpy.zeros(300, PAIR)
    pairs['x'], pairs['n'] = numpy.arange(300) + 0.5, numpy.arange(300) % 9
    wanted = pairs.copy()
    wanted['x'] *= wanted['n']
    wanted['n'] += 1
    records[2, 256](pairs)
    same(pairs, wanted)


@case
def streams_and_events():
    one, two = cuda.stream(), cuda.stream()
    first, last, between = cuda.event(), cuda.event(), cuda.event()
    a = numpy.arange(65536, dtype=numpy.float32)
    first.record(one)
    x = cuda.to_device(a, stream=one)
    y = cuda.device_array_like(a, stream=one)
    add[256, 256, one](x, x, y)
    between.record(one)
    between.wait(two)
    z = cuda.device_array_like(a, stream=two)
    add[256, 256, two](x, y, z)
    last.record(two)
    last.synchronize()
    same(z.copy_to_host(stream=two), 3 * a)
    assert first.query() and cuda.event_elapsed_time(first, last) >= 0


@case
def pinned_arrays():
    stream = cuda.stream()
    host = numpy.arange(65536, dtype=numpy.float32)
    with cuda.pinned(host):
        x = cuda.to_device(host, stream=stream)
        y = cuda.device_array_like(x, stream=stream)
        add[256, 256, stream](x, x, y)
        y.copy_to_host(host, stream=stream)
        stream.synchronize()
    same(host, 2 * numpy.arange(65536, dtype=numpy.float32))
    host = cuda.pinned_array(3000, numpy.int32)
    host[:] = 5
    x = cuda.to_device(host, stream=stream)
    add[12, 256, stream](x, x, x)
    x.copy_to_host(host, stream=stream)
    stream.synchronize()
    same(host, numpy.full(3000, 10))


@case
def mapped_arrays():
    y = cuda.mapped_array(1000, numpy.float32)
    y[:] = 1
    add[4, 256](y, cuda.to_device(numpy.arange(1000, dtype=numpy.float32)), y)
    cuda.synchronize()
    same(y, numpy.arange(1000) + 1)


@case
def managed_arrays():
    y = cuda.managed_array(1000, numpy.float64)
    y[:] = 1
    for _ in range(3):
        add[4, 256](y, y, y)
        cuda.synchronize()
        y[0] += 1
    same(y, [15] + [8] * 999)


@case
def printing():
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            hello[2, 32]()
            cuda.synchronize()
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        lines = sorted(file.read().decode().splitlines())
    same(lines, [f'thread 3 of block {block} says 2.500000' for block in range(2)])


@case
def launch_that_cannot_be():
    x = numpy.zeros(10)
    try:
        add[1, 4096](x, x, x)
        cuda.synchronize()
    except CudaAPIError as error:
        assert 'CUDA_ERROR_INVALID_VALUE' in str(error), str(error)
    else:
        raise AssertionError('4096 threads in a block were taken')
    same((cuda.to_device(numpy.arange(10)).copy_to_host()), numpy.arange(10))   # it goes on


@case
def out_of_memory():
    try:
        cuda.device_array(1 << 50, numpy.uint8)
    except CudaAPIError as error:
        assert 'CUDA_ERROR_OUT_OF_MEMORY' in str(error), str(error)
    else:
        raise AssertionError('a pebibyte was had')


@case
def random_numbers():
    states = create_xoroshiro128p_states(4096, seed=1)
    first, second = numpy.zeros(4096, numpy.float32), numpy.zeros(4096, numpy.float32)
    draw[16, 256](states, first)
    draw[16, 256](states, second)
    for drawn in (first, second):
        assert 0 <= drawn.min() and drawn.max() <= 1 and abs(drawn.mean() - 0.5) < 0.02, drawn.mean()
    assert (first != second).mean() > 0.99


@case
def universal_function():
    @vectorize(['float64(float64, float64)'], target='cuda')
    def mix(x, y):
        return math.sqrt(x * x + y * y)

    x = numpy.arange(30000, dtype=numpy.float64).reshape(300, 100)
    near(mix(x, x.T.copy().reshape(300, 100)), numpy.hypot(x, x.T.copy().reshape(300, 100)), 1e-14)


@case
def reduction():
    total = cuda.reduce(lambda a, b: a + b)
    x = numpy.arange(54321, dtype=numpy.int64)
    same(total(x), x.sum())


@case
def compiled_ahead():
    @cuda.jit('void(int32[:], int32)', max_registers=32)
    def scale(x, by):
        i = cuda.grid(1)
        if i < x.size:
            x[i] *= by

    x = numpy.arange(100, dtype=numpy.int32)
    scale[1, 128](x, int32(3))
    same(x, 3 * numpy.arange(100))


if __name__ == '__main__':
    sys.exit(main(f'numba {__import__("numba").__version__}'))
