"""Training sequences: plain text, repeated segments, and facts hidden in filler with questions at the end."""

import random

import numpy as np

from facts import some_facts

BOS = 0
PLAIN, REPEAT = 0.15, 0.10
FACT_COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96)
# The first token of a value decides which fact was found; those after it continue a copy.
TEXT_WEIGHT, ANSWER_WEIGHT, VALUE_WEIGHT, FIRST_WEIGHT = 0.4, 1.0, 2.0, 10.0
RECITED = 0.4


class Sequences:
    def __init__(self, tokenizer, corpus, words):
        self.tokenizer, self.corpus, self.words = tokenizer, corpus, words

    def encode(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def answers(self, facts):
        """Ids and weights of each answer; the tokens that hold a part of the value weigh more."""
        encoded = self.tokenizer.encode_batch([fact[2] for fact in facts], add_special_tokens=False)
        for (_, _, answer, value), coded in zip(facts, encoded):
            start = answer.rindex(value)
            weights = [VALUE_WEIGHT if a < start + len(value) and b > start else ANSWER_WEIGHT
                       for a, b in coded.offsets]
            weights[weights.index(VALUE_WEIGHT)] = FIRST_WEIGHT
            yield coded.ids, weights

    def filler(self, count):
        start = random.randrange(len(self.corpus) - count)
        return self.corpus[start:start + count].tolist()

    def make(self, length):
        """Returns ids and per-token loss weights, both of `length + 1`."""
        kind = random.random()
        if kind < PLAIN:
            return np.array(self.filler(length + 1)), np.ones(length + 1, np.float32)
        if kind < PLAIN + REPEAT:
            return self.repeat(length)
        return self.retrieval(length)

    def repeat(self, length):
        """A segment, filler, and the segment again; tokens of the second copy weigh more."""
        size = random.randrange(8, max(9, min(length // 3, 64)))
        segment = [random.randrange(2, 2048) for _ in range(size)] if random.random() < 0.5 else self.filler(size)
        gap = random.randrange(0, length - 2 * size)
        ids = [BOS] + segment + self.filler(gap) + segment
        weights = [TEXT_WEIGHT] * (len(ids) - size + 1) + [ANSWER_WEIGHT] * (size - 1)
        rest = length + 1 - len(ids)
        return (np.array(ids + self.filler(rest)) if rest else np.array(ids),
                np.array(weights + [TEXT_WEIGHT] * rest, np.float32))

    def asks(self, facts, room):
        """Questions and answers about facts, as many as have room; or, in some sequences, the answers alone."""
        questions = self.encode([fact[1] for fact in facts])
        recited, taken = random.random() < RECITED, []
        for ask, (answer, weights) in zip(questions, self.answers(facts)):
            ask = [] if recited else ask
            room -= len(ask) + len(answer)
            if room < 0:
                break
            taken.append((ask, (answer, weights)))
        return taken

    def retrieval(self, length):
        facts = some_facts(self.words, random.choice([n for n in FACT_COUNTS if n <= max(1, length // 28)]))
        said = self.encode([fact[0] for fact in facts])
        room = length - sum(map(len, said)) - len(facts)
        asks = self.asks(random.sample(facts, len(facts)), min(room, max(64, length // 2)))
        budget = length - sum(map(len, said)) - sum(len(q) + len(a) for q, (a, _) in asks)
        if not asks or budget < len(facts):
            return self.retrieval(length)
        filler, ids, weights, at = self.filler(budget), [BOS], [0.0], 0

        def add(tokens, weight):
            ids.extend(tokens)
            weights.extend([weight] * len(tokens))

        for cut, fact in zip(sorted(random.randrange(budget) for _ in facts), said):
            add(filler[at:cut], TEXT_WEIGHT)
            add(fact, TEXT_WEIGHT)
            at = cut
        add(filler[at:], TEXT_WEIGHT)
        for ask, (answer, answer_weights) in asks:
            add(ask, TEXT_WEIGHT)
            ids.extend(answer)
            weights.extend(answer_weights)
        return np.array(ids), np.array(weights, np.float32)


def positions(batch, length, most):
    """Positions with up to three random gaps, so that distances up to `most` occur in short sequences."""
    rows = np.tile(np.arange(length), (batch, 1))
    for row in rows:
        kind, room = random.random(), most - length
        if room <= 0 or kind < 0.2:
            continue
        gaps = random.choice([1, 2, 3])
        for cut in random.sample(range(0, length), gaps):
            row[cut:] += random.randrange(0, room // gaps)
    return rows
