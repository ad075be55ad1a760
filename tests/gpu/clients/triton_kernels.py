# SPDX-License-Identifier: MIT
"""Triton on its own: compiled kernels, autotuning, a tiled matrix product."""

import torch
import triton
import triton.language as tl

from case import case, main


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask), mask=mask)


@case('vector addition')
def add(_):
    x = torch.arange(100000, device='cuda', dtype=torch.float32)
    out = torch.empty_like(x)
    add_kernel[(triton.cdiv(x.numel(), 1024),)](x, x, out, x.numel(), BLOCK=1024)
    return out


@triton.jit
def matmul_kernel(a, b, c, n, BLOCK: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inner = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for k in range(0, n, BLOCK):
        left = tl.load(a + rows[:, None] * n + (k + inner)[None, :])
        right = tl.load(b + (k + inner)[:, None] * n + columns[None, :])
        total += tl.dot(left, right)
    tl.store(c + rows[:, None] * n + columns[None, :], total.to(tl.float16))


@case('tiled matrix product, fp16')
def matmul(clock):
    torch.manual_seed(1)
    a, b = (torch.randn(1024, 1024, device='cuda', dtype=torch.float16) for _ in range(2))
    c = torch.empty_like(a)
    matmul_kernel[(16, 16)](a, b, c, 1024, BLOCK=64)
    with clock:
        for _ in range(20):
            matmul_kernel[(16, 16)](a, b, c, 1024, BLOCK=64)
        torch.cuda.synchronize()
    return c


if __name__ == '__main__':
    main()
