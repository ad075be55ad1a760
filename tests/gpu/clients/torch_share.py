# SPDX-License-Identifier: MIT
"""PyTorch: CUDA tensors shared between processes."""

import torch
import torch.multiprocessing as mp

from case import case, main


def child(queue, back):
    tensor = queue.get()
    tensor.mul_(2)
    torch.cuda.synchronize()
    back.put(float(tensor.sum()))
    back.get()


@case('torch.multiprocessing: a CUDA tensor given to another process')
def share(_):
    context = mp.get_context('spawn')
    queue, back = context.Queue(), context.Queue()
    process = context.Process(target=child, args=(queue, back))
    process.start()
    tensor = torch.arange(1024, device='cuda', dtype=torch.float32)
    queue.put(tensor)
    total = back.get(timeout=60)
    mine = tensor.clone()
    back.put(None)
    process.join(60)
    return mine, total


if __name__ == '__main__':
    main()
