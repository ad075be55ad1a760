# SPDX-License-Identifier: MIT
"""PyTorch: training steps of a small GPT, forward, loss and backward compiled by torch.compile (Triton), in bf16 autocast,
with the fused AdamW."""

import importlib.util
import shutil

from timing import leave, main, torch_client

ITEMS = {'compiled-step': (30, 8)}      # sequences

torch = torch_client(ITEMS)
if not importlib.util.find_spec('triton'):
    leave(ITEMS, 'no triton')
if not (shutil.which('cc') or shutil.which('gcc') or shutil.which('clang')):
    leave(ITEMS, 'no C compiler, which Triton wants')
from gpt import GPT     # noqa: E402  pylint: disable=wrong-import-position
F = torch.nn.functional

LAYERS, WIDTH, HEADS, VOCABULARY, LENGTH = 6, 768, 12, 16384, 512


def attend(query, key, value):
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


@torch.compile
def loss_of(model, tokens, positions):
    with torch.autocast('cuda', torch.bfloat16):
        logits = model(tokens[:, :-1], positions, [attend] * LAYERS)
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def training(batch):
    torch.manual_seed(1)
    model = GPT(LAYERS, WIDTH, HEADS, VOCABULARY, LENGTH).cuda()
    tokens = torch.randint(0, VOCABULARY, (batch, LENGTH + 1), device='cuda')
    positions = torch.arange(LENGTH, device='cuda')
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def run(steps):
        for _ in range(steps):
            optimiser.zero_grad()
            loss = loss_of(model, tokens, positions)
            loss.backward()
            optimiser.step()
        return loss.item()          # waits for the whole stream
    return run


if __name__ == '__main__':
    main(torch, ITEMS, training)
