# SPDX-License-Identifier: MIT
"""A layer of a transformer, for this folder's clients and the benchmarks' (tests/bench/clients). What it computes, and in
which order it draws its weights, is compared bit by bit."""

import torch.nn.functional as F
from torch import nn


def causal(query, key, value):
    """Each position sees those up to its own."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


class Block(nn.Module):
    """One layer. How its heads attend is the caller's: a function of queries, keys and values (batch, head, position, width)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, attend=causal):
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        attended = attend(*(t.transpose(1, 2) for t in qkv.unbind(2)))
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))
