# SPDX-License-Identifier: MIT
"""A transformer like GPT-2, to train and to decode with: how its heads attend is the caller's."""

import sys
from pathlib import Path

from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[2] / 'gpu/clients'))
from block import Block     # noqa: E402  pylint: disable=wrong-import-position


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
