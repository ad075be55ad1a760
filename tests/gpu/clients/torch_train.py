# SPDX-License-Identifier: MIT
"""PyTorch: training steps in all the ways that people run them."""

import contextlib
import os
import tempfile

os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')     # deterministic cuBLAS

import torch                                            # noqa: E402  pylint: disable=wrong-import-position
import torch.nn.functional as F                         # noqa: E402  pylint: disable=wrong-import-position
from torch import nn                                    # noqa: E402  pylint: disable=wrong-import-position

from block import Block                                 # noqa: E402  pylint: disable=wrong-import-position
from case import Skip, case, main                       # noqa: E402  pylint: disable=wrong-import-position

torch.use_deterministic_algorithms(True)
STEPS = 10


class Transformer(nn.Module):
    """A small language model."""

    def __init__(self, vocabulary=4096, width=512, heads=8, layers=4):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        return self.head(self.blocks(self.embed(tokens)))


def resnet():
    torchvision = __import__('torchvision')
    torch.manual_seed(1)
    model = torchvision.models.resnet50().cuda()
    images = torch.randn(16, 3, 224, 224, device='cuda')
    labels = torch.randint(0, 1000, (16,), device='cuda')
    return model, images, labels


def transformer():
    torch.manual_seed(2)
    model = Transformer().cuda()
    tokens = torch.randint(0, 4096, (8, 257), device='cuda')
    return model, tokens[:, :-1], tokens[:, 1:]


def step(model, optimiser, x, y, autocast=None, scaler=None):
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast('cuda', autocast) if autocast else contextlib.nullcontext():
        logits = model(x)
        loss = F.cross_entropy(logits.flatten(0, -2), y.flatten())
    if scaler:
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
    else:
        loss.backward()
        optimiser.step()
    return loss.detach()


def train(clock, made, autocast=None, scaler=None):
    """The losses of STEPS steps after two warm ones, and a checksum of the weights."""
    model, x, y = made
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(2):
        step(model, optimiser, x, y, autocast, scaler)
    torch.cuda.synchronize()
    with clock:
        losses = [step(model, optimiser, x, y, autocast, scaler) for _ in range(STEPS)]
        torch.cuda.synchronize()
    return [torch.stack(losses), *list(model.parameters())[:4]]


@case('ResNet-50, eager, batch 16')
def resnet_eager(clock):
    return train(clock, resnet())


@case('ResNet-50, autocast fp16 with GradScaler, channels_last')
def resnet_autocast(clock):
    model, images, labels = resnet()
    made = model.to(memory_format=torch.channels_last), \
        images.to(memory_format=torch.channels_last), labels
    return train(clock, made, torch.float16, torch.amp.GradScaler('cuda'))


@case('transformer, eager')
def transformer_eager(clock):
    return train(clock, transformer())


@case('transformer, autocast bf16')
def transformer_autocast(clock):
    return train(clock, transformer(), torch.bfloat16)


@case('transformer, step captured in a CUDA graph')
def transformer_graph(clock):
    model, x, y = transformer()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(model, optimiser, x, y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimiser.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        loss.backward()
        optimiser.step()
    losses = []
    with clock:
        for _ in range(STEPS):
            graph.replay()
            losses.append(loss.clone())
        torch.cuda.synchronize()
    return torch.stack(losses)


@case('transformer, torch.compile (Triton)')
def transformer_compile(clock):
    model, x, y = transformer()
    return train(clock, (torch.compile(model), x, y))[0]


@case('transformer, torch.compile mode=reduce-overhead (CUDA graphs)')
def transformer_reduce_overhead(clock):
    model, x, _ = transformer()
    compiled = torch.compile(model, mode='reduce-overhead')
    with torch.no_grad():
        for _ in range(3):
            compiled(x)
        torch.cuda.synchronize()
        with clock:
            for _ in range(STEPS):
                out = compiled(x)
            out = out.clone()
            torch.cuda.synchronize()
    return out


class Images(torch.utils.data.Dataset):
    """Made by the workers."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return torch.randn(3, 64, 64, generator=generator), index % 10


@case('DataLoader with two workers and pinned memory')
def loader(clock):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.Flatten(),
                          nn.Linear(16 * 15 * 15, 10)).cuda()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = torch.utils.data.DataLoader(Images(), 16, num_workers=2, pin_memory=True)
    losses = []
    with clock:
        for images, labels in batches:
            losses.append(step(model, optimiser, images.cuda(non_blocking=True),
                               labels.cuda(non_blocking=True)))
        torch.cuda.synchronize()
    return torch.stack(losses)


def attention(backend, clock, dtype=torch.float16):
    torch.use_deterministic_algorithms(backend != 'CUDNN_ATTENTION')
    from torch.nn.attention import SDPBackend, sdpa_kernel      # pylint: disable=import-outside-toplevel
    torch.manual_seed(4)
    q, k, v = (torch.randn(2, 8, 1024, 64, device='cuda', dtype=dtype, requires_grad=True)
               for _ in range(3))
    with sdpa_kernel(getattr(SDPBackend, backend)):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        with clock:
            for _ in range(STEPS):
                out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            torch.cuda.synchronize()
        out.sum().backward()
    return out, q.grad


@case('SDPA, flash kernels')
def sdpa_flash(clock):
    return attention('FLASH_ATTENTION', clock)[0]


@case('SDPA, memory-efficient kernels')
def sdpa_efficient(clock):
    return attention('EFFICIENT_ATTENTION', clock)[0]


@case('SDPA, cuDNN')
def sdpa_cudnn(clock):
    return attention('CUDNN_ATTENTION', clock, torch.bfloat16)[0]


@case('checkpoint saved and loaded')
def checkpoint(_):
    model, x, y = transformer()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(3):
        step(model, optimiser, x, y)
    with tempfile.NamedTemporaryFile() as file:
        torch.save({'model': model.state_dict(), 'optimiser': optimiser.state_dict()}, file.name)
        saved = torch.load(file.name, map_location='cuda')
    again = Transformer().cuda()
    again.load_state_dict(saved['model'])
    optimiser = torch.optim.AdamW(again.parameters(), lr=1e-3)
    optimiser.load_state_dict(saved['optimiser'])
    return [step(again, optimiser, x, y) for _ in range(3)]


@case('out of memory, caught and recovered')
def out_of_memory(_):
    free, _ = torch.cuda.mem_get_info()
    kept = torch.ones(1 << 20, device='cuda')
    try:
        torch.empty(free + (8 << 30), dtype=torch.uint8, device='cuda')
        return 'it was given'
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()
    return kept.sum(), 'refused'


@case('generation token by token with .item()')
def decode(clock):
    model, tokens, _ = transformer()
    model.half().eval()
    context = tokens[:1, :32]
    said = []
    with torch.no_grad():
        model(context)
        with clock:
            for _ in range(64):
                said.append(model(context)[0, -1].argmax().item())
                context = torch.cat([context[:, 1:], context.new_tensor([[said[-1]]])], 1)
    return repr(said)


@case('expandable segments')
def expandable(clock):
    if 'expandable_segments:True' not in os.environ.get('PYTORCH_CUDA_ALLOC_CONF', ''):
        raise Skip('run with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True')
    return train(clock, transformer())


@case('profiler sees the kernels', rtol=0.0)
def profiler(_):
    from torch.profiler import ProfilerActivity, profile        # pylint: disable=import-outside-toplevel
    x = torch.randn(256, 256, device='cuda')
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        (x @ x).relu().sum().item()
    kernels = [event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return float(len(kernels) > 0)


if __name__ == '__main__':
    main()
