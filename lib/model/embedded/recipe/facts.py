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


# What numbers are called; LABELS_HELD_OUT occur in no training text, only in evaluations.
LABELS = ("secret code, lucky number, room number, house number, ticket number, badge number, account number, "
          "reference number, serial number, catalogue number, seat number, page number, record number, "
          "key number, box number, shelf number, order number, parcel number, ward number, cabin number, "
          "registration, combination, password, entry number, safe code, gate code, door code, table number, "
          "private code, first number, old number, true number, magic number, special code, bell number, "
          "boat number, cart number, deed number, pew number, patent number").split(", ")
LABELS_HELD_OUT = ("locker number", "entry code", "file number", "guest number", "hidden code", "coach number")

# (statement, question, answer) with {n} a label, {w} a word, {W} the word capitalised, {d} digits.
WORDINGS = (
    (" The {n} of {w} is {d}.", "What is the {n} of {w}?", " The {n} of {w} is {d}."),
    (" The {n} for {w} is {d}.", "What is the {n} for {w}?", " The {n} for {w} is {d}."),
    (" The {n} for {w} is: {d}.", "What is the {n} for {w}?", " The {n} for {w} is: {d}."),
    (" Note that the {n} of {w} is {d}.", "What is the {n} of {w}?", " The {n} of {w} is {d}."),
    (" Remember that the {n} for {w} is {d}.", "What is the {n} for {w}?", " The {n} for {w} is {d}."),
    (" One of the {n}s is {d}; it belongs to {w}, and the {n} of {w} is {d}.",
     "What is the {n} of {w}?", " The {n} of {w} is {d}."),
    (" {W} has the {n} {d}.", "Which {n} does {W} have?", " {W} has the {n} {d}."),
    (" {W} was given the {n} {d}.", "Which {n} was {W} given?", " {W} was given the {n} {d}."),
    ("\n{W}: {n} {d}.\n", "What is the {n} of {w}?", " {W}: {n} {d}."),
    (" For {w} they wrote {d} in the book.", "What did they write for {w}?", " For {w} they wrote {d} in the book."),
    (" The {n} written beside {w} is {d}.", "What is the {n} written beside {w}?",
     " The {n} written beside {w} is {d}."),
    (" They found the {n} {d} under the {w}.", "Which {n} did they find under the {w}?",
     " They found the {n} {d} under the {w}."),
)


def labelled_number(words):
    word, value = random.choice(words), digits(random.choice([3, 4, 5, 6, 7]))
    fields = dict(n=random.choice(LABELS), w=word, W=word.capitalize(), d=value)
    said, ask, answer = (part.format(**fields) for part in random.choice(WORDINGS))
    return said, question(ask), answer, value


def made_up(words):
    """Returns a kind of fact whose wording is drawn at random, so that no wording can be learnt by heart."""
    some = lambda least, most: " ".join(random.sample(words, random.randint(least, most)))
    before, between, end = some(0, 3), some(0, 3), random.choice([":", " is", " =", " are", ""])
    numbers, names, capital = random.random() < 0.5, random.random() < 0.3, random.random() < 0.5

    def fact(words):
        key = f"{random.choice(NAMES)} {random.choice(words)}" if names else random.choice(words)
        key = key.capitalize() if capital else key
        value = digits(random.choice([3, 4, 5])) if numbers else random.choice(words)
        said = " ".join(f" {before} {key} {between}".split(" "))
        said = f" {' '.join(said.split())}{end} {value}."
        return said, question(" ".join(f"{before} {between} of {key}?".split())), said, value

    return fact


KINDS = ((magic_number, 0.25), (pass_key, 0.1), (keeper, 0.25), (key_value, 0.15), (labelled_number, 0.25))


def some_facts(words, count):
    """Returns `count` facts with different questions (so at most one pass key); mostly of one kind."""
    kinds, weights = zip(*KINDS)
    if random.random() < 0.8:
        kinds = random.choices([magic_number, keeper, key_value, labelled_number, made_up(words)], [3, 3, 1, 2, 3])
        weights = [1]
    found = {}
    while len(found) < count:
        fact = random.choices(kinds, weights)[0](words)
        found.setdefault(fact[1], fact)
    return list(found.values())
