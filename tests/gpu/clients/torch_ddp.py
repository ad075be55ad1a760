# SPDX-License-Identifier: MIT
"""PyTorch: DistributedDataParallel over NCCL, a process a GPU."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from case import Skip, case, main


def worker(rank, size, path):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT='29511')
    dist.init_process_group('nccl', rank=rank, world_size=size)
    torch.cuda.set_device(rank)
    torch.manual_seed(1)
    model = nn.parallel.DistributedDataParallel(nn.Linear(512, 512).cuda(), device_ids=[rank])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(10 + rank)
    for _ in range(10):
        optimiser.zero_grad()
        model(torch.randn(32, 512, device='cuda')).square().mean().backward()
        optimiser.step()
    if rank == 0:
        torch.save([p.detach().cpu() for p in model.parameters()], path)
    dist.destroy_process_group()


@case('DistributedDataParallel over NCCL, two GPUs', rtol=1e-4)
def ddp(_):
    if torch.cuda.device_count() < 2:
        raise Skip('one GPU')
    path = f'/tmp/ddp-{os.getpid()}.pt'
    mp.spawn(worker, (2, path), 2)
    return torch.load(path)


if __name__ == '__main__':
    main()
