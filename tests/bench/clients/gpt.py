# SPDX-License-Identifier: MIT
"""A transformer like GPT-2, to train and to decode with: how its heads attend is the caller's."""

from torch import nn


class Block(nn.Module):
    """One layer."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, attend):
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        attended = attend(*(t.transpose(1, 2) for t in qkv.unbind(2)))
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Tokens to logits."""

    def __init__(self, layers, width, heads, vocabulary, context):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, positions, attends):
        """attends: for each layer a function of queries, keys and values (batch, head, position, width)."""
        x = self.tokens(tokens) + self.positions(positions)
        for block, attend in zip(self.blocks, attends):
            x = block(x, attend)
        return self.head(self.norm(x))
