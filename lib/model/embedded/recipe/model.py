"""A plain Llama in PyTorch, small enough to train on a CPU, and its export to the Hugging Face layout."""

import json
import math
import os

import torch
import torch.nn as nn
import torch.nn.functional as F

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCABULARY = 256, 6, 4, 2, 704, 2048
HEAD_DIM, THETA, EPS = HIDDEN // HEADS, 1e6, 1e-5
# Attention thins out over more keys than training showed, so the exported model reads more sharply than
# the trained one: queries and keys are this much longer, as the attention factor of YaRN says it.
ATTENTION_FACTOR = 1.2


class RMSNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, EPS)


def rotary(positions):
    """positions [batch, tokens] -> cos, sin [batch, 1, tokens, HEAD_DIM / 2]"""
    inverse = 1.0 / THETA ** (torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM)
    angle = positions[:, None, :, None].float() * inverse
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda rows, columns: nn.Linear(rows, columns, bias=False)
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(HIDDEN), RMSNorm(HIDDEN)
        self.q_proj, self.o_proj = linear(HIDDEN, HEADS * HEAD_DIM), linear(HEADS * HEAD_DIM, HIDDEN)
        self.k_proj = linear(HIDDEN, KV_HEADS * HEAD_DIM)
        self.v_proj = linear(HIDDEN, KV_HEADS * HEAD_DIM)
        self.gate_proj, self.up_proj = linear(HIDDEN, FFN), linear(HIDDEN, FFN)
        self.down_proj = linear(FFN, HIDDEN)

    def forward(self, x, cos, sin):
        batch, tokens, _ = x.shape
        split = lambda y, heads: y.view(batch, tokens, heads, HEAD_DIM).transpose(1, 2)
        h = self.input_layernorm(x)
        q = rotate(split(self.q_proj(h), HEADS), cos, sin)
        k = rotate(split(self.k_proj(h), KV_HEADS), cos, sin).repeat_interleave(HEADS // KV_HEADS, 1)
        v = split(self.v_proj(h), KV_HEADS).repeat_interleave(HEADS // KV_HEADS, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(batch, tokens, -1))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = RMSNorm(HIDDEN)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        for layer in self.layers:
            for output in (layer.o_proj, layer.down_proj):
                nn.init.normal_(output.weight, std=0.02 / math.sqrt(2 * LAYERS))

    def forward(self, ids, positions):
        cos, sin = rotary(positions)
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x) @ self.embed_tokens.weight.t()


CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
    "vocab_size": VOCABULARY, "rms_norm_eps": EPS, "rope_theta": THETA,
    "rope_scaling": {"rope_type": "yarn", "factor": 1.0, "attention_factor": ATTENTION_FACTOR,
                     "original_max_position_embeddings": 32768},
    "max_position_embeddings": 32768, "tie_word_embeddings": True, "attention_bias": False,
    "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "bfloat16",
}


def shipped_name(name):
    """Name of a parameter of ours in a transformers checkpoint."""
    for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
        name = name.replace(f".{part}.", f".self_attn.{part}.")
    for part in ("gate_proj", "up_proj", "down_proj"):
        name = name.replace(f".{part}.", f".mlp.{part}.")
    return f"model.{name}"


def load_shipped(model, folder):
    """Reads the weights that export() wrote, to train on from there.

    A model of more layers than the file holds begins as the same function: the added layers are copies
    of inner ones that write nothing.
    """
    from safetensors.torch import load_file
    stored = load_file(os.path.join(folder, "model.safetensors"))
    had = 1 + max(int(name.split(".")[2]) for name in stored if name.startswith("model.layers."))
    source = sorted(list(range(had)) + [1 + i % (had - 2) for i in range(LAYERS - had)])
    state = {}
    for name in model.state_dict():
        parts = name.split(".")
        if parts[0] == "layers":
            layer = int(parts[1])
            parts[1] = str(source[layer])
            added = layer > 0 and source[layer] == source[layer - 1]
        value = stored[shipped_name(".".join(parts))].float()
        silent = parts[0] == "layers" and added and parts[2] in ("o_proj", "down_proj")
        state[name] = torch.zeros_like(value) if silent else value
    model.load_state_dict(state)


def export(model, folder):
    """Writes config.json and model.safetensors (bf16) as transformers names them."""
    from safetensors.torch import save_file
    tensors = {shipped_name(name): value.to(torch.bfloat16).contiguous()
               for name, value in model.state_dict().items()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(CONFIG, file, indent=2)
        file.write("\n")
