"""Trains the embedded model; stops and resumes at any time.

Usage: TEXT=folder python train.py OUT --tokens 16000000
OUT holds the tokenizer (make_tokenizer.py), the checkpoint and, after every evaluation, the exported model.
Learning rates: warm-up, constant, and from `--decay-from` of the tokens on linear to 5 %.
"""

import argparse
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from corpus import common_words, documents
from evaluate import bits_per_byte, recall
from model import Llama, VOCABULARY, export, load_shipped
from muon import Muon
from sequences import FIRST_WEIGHT, BOS, Sequences, positions

# (share of all tokens from which it holds, sequence lengths drawn from, tokens a step, largest position)
STAGES = ((0.0, (256,), 4096, 4096), (0.4, (256, 512), 4096, 16384), (0.65, (256, 512, 1024), 8192, 32768),
          (0.85, (512, 1024, 2048, 4096), 8192, 32768))
WARM_UP, MUON_LR, ADAM_LR = 200_000, 5e-3, 3e-3


def stage(done, lengths):
    """Lengths, tokens a step and largest position; the lengths of the whole run where they were given."""
    return (lengths, 8192, 32768) if lengths else [s for s in STAGES if s[0] <= done][-1][1:]


def rate(tokens, total, decay_from):
    done = tokens / total
    fall = 1.0 if done < decay_from else 1 - 0.95 * (done - decay_from) / (1 - decay_from)
    return min(1.0, (tokens + 1) / WARM_UP) * fall


def optimisers(model):
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [model.embed_tokens.weight] + [p for p in model.parameters() if p.dim() == 1]
    return [(Muon(matrices), MUON_LR),
            (torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0), ADAM_LR)]


def load_corpus(tokenizer, docs):
    encoded = tokenizer.encode_batch(docs, add_special_tokens=False)
    return np.concatenate([np.array([BOS] + e.ids) for e in encoded])


def step_loss(model, make, length, batch, most):
    ids, weights = zip(*[make(length) for _ in range(batch)])
    ids, weights = torch.from_numpy(np.stack(ids)), torch.from_numpy(np.stack(weights))[:, 1:]
    logits = model(ids[:, :-1], torch.from_numpy(positions(batch, length, most)))
    losses = F.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1), reduction="none")
    losses = losses.view(batch, length)
    answer = losses[weights == FIRST_WEIGHT].mean().item()
    return (losses * weights).sum() / weights.sum(), answer


def save(folder, model, opts, tokens):
    state = {"model": model.state_dict(), "tokens": tokens, "optimisers": [o.state_dict() for o, _ in opts]}
    torch.save(state, os.path.join(folder, "checkpoint.tmp"))
    os.replace(os.path.join(folder, "checkpoint.tmp"), os.path.join(folder, "checkpoint.pt"))
    export(model, folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--tokens", type=int, default=22_000_000)
    parser.add_argument("--decay-from", type=float, default=0.6)
    parser.add_argument("--evaluate-every", type=int, default=500_000)
    parser.add_argument("--start-from", help="folder of a shipped model whose weights to begin with")
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the learning rates")
    parser.add_argument("--lengths", type=int, nargs="+", help="draw sequences of these lengths only, at most 8192")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    docs = documents(os.environ["TEXT"])
    tokenizer = Tokenizer.from_file(os.path.join(args.out, "tokenizer.json"))
    sequences = Sequences(tokenizer, load_corpus(tokenizer, docs), common_words(docs))
    torch.manual_seed(args.seed)
    model = Llama()
    if args.start_from:
        load_shipped(model, args.start_from)
    opts, tokens = optimisers(model), 0
    checkpoint = os.path.join(args.out, "checkpoint.pt")
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for (optimiser, _), saved in zip(opts, state["optimisers"]):
            optimiser.load_state_dict(saved)
        tokens = state["tokens"]
    random.seed(args.seed + tokens)
    print(f"{len(sequences.corpus)} corpus tokens, {sum(p.numel() for p in model.parameters())} parameters", flush=True)
    began, first, steps, evaluated = time.time(), tokens, 0, tokens
    while tokens < args.tokens:
        lengths, size, most = stage(tokens / args.tokens, args.lengths)
        length = random.choice(lengths)
        loss, answer = step_loss(model, sequences.make, length, size // length, most)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, peak in opts:
            for group in optimiser.param_groups:
                group["lr"] = args.rate * peak * rate(tokens, args.tokens, args.decay_from)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        tokens, steps = tokens + size, steps + 1
        if steps % 20 == 0:
            speed = (tokens - first) / (time.time() - began)
            print(f"{tokens} tokens, length {length}, loss {loss.item():.3f}, answers {answer:.3f}, {speed:.0f} tokens/s", flush=True)
        if tokens - evaluated >= args.evaluate_every or tokens >= args.tokens:
            evaluated = tokens
            save(args.out, model, opts, tokens)
            lengths = (512, 2048) if tokens < args.tokens * 0.6 else (512, 2048, 4096, 8192)
            scores = ", ".join(f"{n}: {recall(model, sequences, n):.2f}" for n in lengths)
            print(f"RECALL {scores}; {bits_per_byte(model, tokenizer, os.environ['TEXT']):.3f} bits per byte", flush=True)


if __name__ == "__main__":
    main()
