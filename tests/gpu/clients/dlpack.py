# SPDX-License-Identifier: MIT
"""CuPy, numba and JAX in one process with PyTorch, handing arrays over without a copy."""

import cupy
import torch

from case import case, main


@case('CuPy and PyTorch by DLPack')
def both(_):
    x = cupy.arange(1000, dtype=cupy.float32)
    y = torch.from_dlpack(x)
    y += 1
    torch.cuda.synchronize()
    same = y.data_ptr() == x.data.ptr
    return x, cupy.from_dlpack(y * 2), repr(same)


@case('numba and PyTorch by __cuda_array_interface__')
def numba_torch(_):
    import numpy                                    # pylint: disable=import-outside-toplevel
    if not hasattr(numpy, 'row_stack'):             # numba 0.68 asks for it, numpy 2.5 has dropped it
        numpy.row_stack = numpy.vstack
    from numba import cuda                          # pylint: disable=import-outside-toplevel
    x = torch.arange(1000, device='cuda', dtype=torch.float32)
    view = cuda.as_cuda_array(x)

    @cuda.jit
    def double(a):
        i = cuda.grid(1)
        if i < a.size:
            a[i] *= 2

    double[4, 256](view)
    cuda.synchronize()
    return x


if __name__ == '__main__':
    main()
