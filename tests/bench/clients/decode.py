# SPDX-License-Identifier: MIT
"""PyTorch: a transformer of GPT-2's size (12 layers, 768 wide, fp16) writes token after token, batch 1. The keys and values
go into caches that were allocated before, and the host asks for each token, as a server does that streams its answer:
with every kernel launched from Python, and with the whole step as one CUDA graph."""

from timing import main, torch_client

ITEMS = {'decode-eager': (100, False), 'decode-graph': (200, True)}     # tokens; in a graph?

torch = torch_client(ITEMS)
from gpt import GPT     # noqa: E402  pylint: disable=wrong-import-position

LAYERS, WIDTH, HEADS, VOCABULARY, CONTEXT = 12, 768, 12, 50257, 1024


class Cache:
    """A layer's keys and values of all positions, those to come masked."""

    def __init__(self, decoder):
        self.decoder = decoder
        self.keys, self.values = torch.zeros(2, 1, HEADS, CONTEXT, WIDTH // HEADS, dtype=torch.half, device='cuda')

    def __call__(self, query, key, value):
        self.keys.index_copy_(2, self.decoder.position, key)
        self.values.index_copy_(2, self.decoder.position, value)
        return torch.nn.functional.scaled_dot_product_attention(query, self.keys, self.values,
                                                                attn_mask=self.decoder.mask)


class Decoder:
    """Everything that a step reads and writes stays at its address, as a graph wants it."""

    def __init__(self):
        torch.manual_seed(1)
        self.model = GPT(LAYERS, WIDTH, HEADS, VOCABULARY, CONTEXT).to('cuda', torch.half).eval()
        self.token = torch.zeros(1, 1, dtype=torch.long, device='cuda')
        self.position = torch.zeros(1, dtype=torch.long, device='cuda')
        self.masks = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool, device='cuda').tril()
        self.mask = None
        self.caches = [Cache(self) for _ in range(LAYERS)]

    def restart(self):
        self.token.fill_(1)
        self.position.zero_()

    def step(self):
        self.mask = self.masks[self.position]
        logits = self.model(self.token, self.position, self.caches)
        self.token.copy_(logits.argmax(-1))
        self.position += 1


def captured(step):
    """The step as a CUDA graph; what the libraries allocate at first is allocated before."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


@torch.no_grad()
def decoding(in_graph):
    decoder = Decoder()
    step = captured(decoder.step) if in_graph else decoder.step

    @torch.no_grad()
    def run(tokens):
        decoder.restart()
        total = 0
        for _ in range(tokens):
            step()
            total += decoder.token.item()
        return total
    return run


if __name__ == '__main__':
    main(torch, ITEMS, decoding)
