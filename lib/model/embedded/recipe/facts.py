"""Facts hidden in filler text, and the questions that ask for them.

A fact is (statement, question, answer, value): the statement goes into the text, "question + answer"
to its end; `value` is the part of the answer that has to be looked up.
"""

import random

NAMES = ("Alice Bob Carol David Emma Frank Grace Henry Irene Jack Karen Leo Mary Nathan Olivia Peter "
         "Quinn Rachel Sam Tina Victor Wendy Anna Brian Diana Eric Fiona George Helen Ian").split()


def digits(count):
    return "".join(random.choice("0123456789") for _ in range(count))


def hexadecimal(count):
    return "".join(random.choice("0123456789abcdef") for _ in range(count))


def question(text):
    return f"\nQuestion: {text}\nAnswer:"


def magic_number(words):
    word, value = random.choice(words), digits(random.choice([4, 5, 7]))
    said = f" The special magic number for {word} is: {value}."
    return said, question(f"What is the special magic number for {word}?"), said, value


def pass_key(_words):
    value = digits(5)
    said = f" The pass key is {value}. Remember it. {value} is the pass key."
    return said, question("What is the pass key?"), f" The pass key is {value}.", value


def keeper(words):
    name = f"{random.choice(NAMES)} {random.choice(words).capitalize()}"
    value = f"{random.choice(words)} {random.choice(words)}"
    said = f" {name} keeps the {value} in the box."
    return said, question(f"What does {name} keep?"), f" {name} keeps the {value}.", value


def key_value(_words):
    key, value = hexadecimal(6), hexadecimal(6)
    said = f'\n"{key}": "{value}",'
    return said, question(f'What is the value of "{key}"?'), f' "{key}": "{value}".', value


KINDS = ((magic_number, 0.3), (pass_key, 0.2), (keeper, 0.25), (key_value, 0.25))


def some_facts(words, count):
    """Returns `count` facts with different questions (so at most one pass key); three in ten times of one kind."""
    kinds, weights = zip(*KINDS)
    if random.random() < 0.3:
        kinds, weights = [random.choice([magic_number, keeper, key_value])], [1]
    found = {}
    while len(found) < count:
        fact = random.choices(kinds, weights)[0](words)
        found.setdefault(fact[1], fact)
    return list(found.values())
