"""Recall of one hidden magic number by length, and bits per byte on the held-out text."""

import glob
import math
import os
import random

import torch
import torch.nn.functional as F

from corpus import HELD_OUT
from facts import digits


@torch.no_grad()
def recall(model, sequences, length, trials=16, seed=1):
    """Share of trials whose five digits are all the most likely token, the needle at a random depth."""
    state = random.getstate()
    random.seed(seed)
    right = 0
    for _ in range(trials):
        word, value = random.choice(sequences.words), digits(5)
        said = f" The special magic number for {word} is:"
        fact, ask, answer = sequences.encode([
            f"{said} {value}.", f"\nQuestion: What is the special magic number for {word}?\nAnswer:{said}", f" {value}."])
        filler = sequences.filler(length - 1 - len(fact) - len(ask) - len(answer))
        cut = random.randrange(len(filler))
        ids = torch.tensor([[0] + filler[:cut] + fact + filler[cut:] + ask + answer])
        logits = model(ids, torch.arange(ids.shape[1])[None])[0]
        guessed = logits[-len(answer) - 1:-2].argmax(-1)
        right += int((guessed == ids[0, -len(answer):-1]).all())
    random.setstate(state)
    return right / trials


@torch.no_grad()
def bits_per_byte(model, tokenizer, root, length=512, windows=16):
    """Mean bits per byte over the first windows of the held-out text, each read without what came before."""
    path = glob.glob(os.path.join(root, "**", HELD_OUT), recursive=True)[0]
    with open(path, encoding="utf8") as file:
        ids = tokenizer.encode(file.read(), add_special_tokens=False).ids[:length * windows]
    x = torch.tensor(ids).view(windows, length)
    x = torch.cat([torch.zeros(windows, 1, dtype=torch.long), x], 1)
    logits = model(x[:, :-1], torch.arange(length)[None].repeat(windows, 1))
    nats = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), x[:, 1:].reshape(-1), reduction="sum").item()
    return nats / math.log(2) / len(tokenizer.decode(ids).encode())
