"""GPT-2 in plain PyTorch, over parameters by the names that Hugging Face gives them."""

import torch
import torch.nn.functional as F


def gpt(parameters, layers, heads, tokens, approximate="tanh", factors=None):
    """The logits, [sequences, length, vocabulary]. `factors`: what dropout multiplies with, in the order in which it
    acts: the embedding, then for each layer attention's probabilities and both branches.
    """
    left = iter(factors or [])

    def drop(x):
        return x * next(left).reshape(x.shape) if factors else x

    def norm(x, name):
        return F.layer_norm(x, x.shape[2:], parameters[f"{name}.weight"], parameters[f"{name}.bias"])

    def project(x, name):
        return x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def attend(x):
        sequences, length, width = x.shape
        parts = (part.reshape(sequences, length, heads, -1).transpose(1, 2) for part in x.chunk(3, dim=2))
        query, key, value = parts
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        hidden = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        mixed = drop(scores.masked_fill(hidden, float("-inf")).softmax(dim=3)) @ value
        return mixed.transpose(1, 2).reshape(sequences, length, width // 3)

    x = drop(parameters["wte.weight"][tokens] + parameters["wpe.weight"][: tokens.shape[1]])
    for layer in range(layers):
        at = f"h.{layer}"
        x = x + drop(project(attend(project(norm(x, f"{at}.ln_1"), f"{at}.attn.c_attn")), f"{at}.attn.c_proj"))
        wide = F.gelu(project(norm(x, f"{at}.ln_2"), f"{at}.mlp.c_fc"), approximate=approximate)
        x = x + drop(project(wide, f"{at}.mlp.c_proj"))
    return norm(x, "ln_f") @ parameters["wte.weight"].T
