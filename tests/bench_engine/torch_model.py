"""GPT-2 as its users write it in PyTorch: what the engine is measured beside, on the CPU and on a GPU."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, heads, channels):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 4 * channels)
        self.contract = nn.Linear(4 * channels, channels)

    def forward(self, x):
        sequences, length, channels = x.shape
        query, key, value = (part.view(sequences, length, self.heads, -1).transpose(1, 2)
                             for part in self.qkv(self.norm1(x)).split(channels, dim=2))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(sequences, length, channels))
        return x + self.contract(F.gelu(self.expand(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """The mean loss over all targets. Without dropout, as GPT-2's peers train; the head is tied to the embedding."""

    def __init__(self, layers, heads, channels, context, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, channels)
        self.positions = nn.Embedding(context, channels)
        self.blocks = nn.ModuleList(Block(heads, channels) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        for name, parameter in self.named_parameters():  # as GPT-2 begins, and as Ballast does
            if parameter.dim() > 1:
                ends_branch = name.endswith(("out.weight", "contract.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if ends_branch else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[2]).float(), targets.view(-1))


def example_batch(batch, context, vocabulary):
    count = torch.arange(batch * context)
    return (count * 37 % vocabulary).view(batch, context), ((count + 1) * 37 % vocabulary).view(batch, context)
