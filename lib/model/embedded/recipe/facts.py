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
    plain = f" The special magic number for {word} is: {value}."
    said, ask = plain, f"What is the special magic number for {word}?"
    if random.random() < VARIED:
        said, ask = labelled(random.choice(STATEMENTS), random.choice(QUESTIONS), "special magic number", word, value)
    return said, question(ask), plain, value


def pass_key(_words):
    value = digits(5)
    said, ask = f" The pass key is {value}. Remember it. {value} is the pass key.", "What is the pass key?"
    if random.random() < VARIED:
        said, ask = random.choice(PASS_KEY_STATEMENTS).format(d=value), random.choice(PASS_KEY_QUESTIONS)
    return said, question(ask), f" The pass key is {value}.", value


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

# How a number is told and asked for: {n} what it is called, {w} the word it belongs to, {W} the word capitalised,
# {d} the digits. Every statement goes with every question; the answer has always the same form, so that a wording
# never seen asks for nothing new. The wordings of lib/eval/held_out.ts must not occur here.
STATEMENTS = (
    " The {n} of {w} is {d}.", " The {n} for {w} is {d}.", " The {n} for {w} is: {d}.",
    " Note that the {n} of {w} is {d}.", " Remember that the {n} for {w} is {d}.", " {W} has the {n} {d}.",
    " {W} was given the {n} {d}.", "\n{W}: {n} {d}.\n", " The {n} written beside {w} is {d}.",
    " They found the {n} {d} under the {w}.", " For {w} the {n} is {d}.",
    " In the register {w} stands with the {n} {d}.", " Beside the name of {w} somebody wrote the {n} {d}.",
    " The clerk gave {w} the {n} {d}.", " {d} is the {n} of {w}.", " The {n} {d} belongs to {w}.",
    " {W} is listed by the {n} {d}.", " {W} uses {d} as the {n}.", " You reach {w} by the {n} {d}.",
    " Write down the {n} {d} for {w}.", " Her note about {w} gave the {n} as {d}.",
    " It was agreed that {w} would get the {n} {d}.", " The {n} that opens {w} is {d}.",
    " When they asked about {w}, the reply was the {n} {d}.", " Everybody knows {w} by the {n} {d}.",
    " Under {w} the book lists the {n} {d}.", " To find {w}, look for the {n} {d}.",
    " The letter says that {w} keeps the {n} {d}.", " {W}, with the {n} {d}, came first.",
    " They painted the {n} {d} on the {w}.", " At last the {n} of {w} was read out: {d}.",
    " The old {w} still bears the {n} {d}.", " Since Monday {w} has had the {n} {d}.",
    " The {n} {d} was issued to {w}.", " If you see {w}, show them the {n} {d}.",
    " One of the {n}s is {d}; it belongs to {w}.", " About {w} we know that the {n} is {d}.",
    " No other than {w} had the {n} {d}.", " He wrote the {n} of {w} on his hand: {d}.",
)
QUESTIONS = (
    "What is the {n} of {w}?", "What is the {n} for {w}?", "Which {n} does {w} have?", "Which {n} was {w} given?",
    "What {n} belongs to {w}?", "Which {n} is written beside {w}?", "Tell me the {n} of {w}.",
    "Do you know the {n} of {w}?", "{W} has which {n}?", "What was written as the {n} of {w}?",
    "Under which {n} is {w} listed?", "By which {n} is {w} known?", "Which {n} was found with {w}?",
    "What did they say was the {n} of {w}?", "Can you give the {n} for {w}?", "Which number is the {n} of {w}?",
    "For {w}, which {n} was noted?", "What does {w} use as the {n}?", "Which {n} did {w} get?",
    "If somebody asks for {w}, which {n} do you tell them?", "Which {n} is read out with {w}?",
)
PASS_KEY_STATEMENTS = (
    " The pass key to the house is {d}.", " Do not forget that the pass key is {d}.",
    " They changed the pass key to {d}.", " Somebody whispered the pass key: {d}.",
    " With the pass key {d} you can come in.", " {d} is the pass key for today.", " The pass key was {d} again.",
    " Use the pass key {d} at the gate.", " Note the pass key {d}.", " His pass key turned out to be {d}.",
    " The guard asked for the pass key {d} twice.", " We were told the pass key {d} at dinner.",
)
PASS_KEY_QUESTIONS = (
    "What is the pass key?", "Which pass key was given?", "What pass key does the text give?", "Tell me the pass key.",
    "Which pass key is to be used?", "Do you remember the pass key?", "Which pass key opens the gate?",
    "What did they say the pass key was?",
)
VARIED = 0.4


def labelled(statement, ask, label, word, value):
    fields = dict(n=label, w=word, W=word.capitalize(), d=value)
    return statement.format(**fields), ask.format(**fields)


def labelled_number(words):
    word, value, label = random.choice(words), digits(random.choice([3, 4, 5, 6, 7])), random.choice(LABELS)
    made = random.choice(words) + random.choice([" number", " code", ""])
    if random.random() < 0.5 and made not in LABELS_HELD_OUT:
        label = made
    said, ask = labelled(random.choice(STATEMENTS), random.choice(QUESTIONS), label, word, value)
    return said, question(ask), f" The {label} of {word} is {value}.", value


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


KINDS = ((magic_number, 0.25), (pass_key, 0.1), (keeper, 0.2), (key_value, 0.2), (labelled_number, 0.25))


def some_facts(words, count):
    """Returns `count` facts with different questions (so at most one pass key); mostly of one kind."""
    kinds, weights = zip(*KINDS)
    if random.random() < 0.8:
        kinds = random.choices([magic_number, keeper, key_value, labelled_number, made_up(words)], [3, 3, 2, 3, 3])
        weights = [1]
    found = {}
    while len(found) < count:
        fact = random.choices(kinds, weights)[0](words)
        found.setdefault(fact[1], fact)
    return list(found.values())
