# SPDX-License-Identifier: MIT
"""transformers: a small randomly initialised model generates, and is fine-tuned with LoRA."""

import os

os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')

import torch                                            # noqa: E402  pylint: disable=wrong-import-position
from torch import nn                                    # noqa: E402  pylint: disable=wrong-import-position
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402  pylint: disable=wrong-import-position

from case import case, main                             # noqa: E402  pylint: disable=wrong-import-position


def model():
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=4096, hidden_size=512, intermediate_size=1536,
                         num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=4,
                         max_position_embeddings=1024)
    return LlamaForCausalLM(config).cuda()


@case('generate, fp16, 64 tokens')
def generate(clock):
    llama = model().half().eval()
    prompt = torch.arange(1, 33, device='cuda')[None]
    llama.generate(prompt, max_new_tokens=4, do_sample=False, pad_token_id=0)
    with clock:
        tokens = llama.generate(prompt, max_new_tokens=64, do_sample=False, pad_token_id=0)
        torch.cuda.synchronize()
    return tokens


class LoRA(nn.Module):
    """A frozen linear layer and what is learned beside it."""

    def __init__(self, base, rank=8):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False, device='cuda')
        self.up = nn.Linear(rank, base.out_features, bias=False, device='cuda')
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


@case('LoRA fine-tuning, 10 steps')
def lora(clock):
    torch.manual_seed(2)
    llama = model().requires_grad_(False)
    for layer in llama.model.layers:
        layer.self_attn.q_proj = LoRA(layer.self_attn.q_proj)
        layer.self_attn.v_proj = LoRA(layer.self_attn.v_proj)
    learned = [p for p in llama.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=1e-3)
    tokens = torch.randint(0, 4096, (4, 128), device='cuda')
    losses = []
    with clock:
        for _ in range(10):
            optimiser.zero_grad()
            loss = llama(tokens, labels=tokens).loss
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        torch.cuda.synchronize()
    return torch.stack(losses), learned[1]


if __name__ == '__main__':
    main()
