"""Plain text for training: documents, a held-out file, and the word list facts draw from.

TEXT names a folder that is searched for .txt files; alice.txt is held out from everything.
"""

import collections
import glob
import os
import re

HELD_OUT = "alice.txt"


def documents(root):
    """Returns the training documents below root, in a fixed order, with runs of blanks collapsed."""
    found = []
    for path in sorted(glob.glob(os.path.join(root, "**", "*.txt"), recursive=True)):
        if os.path.basename(path) == HELD_OUT:
            continue
        with open(path, encoding="utf8", errors="replace") as file:
            found.append(re.sub(r"[ \t]+", " ", file.read()))
    if not found:
        raise SystemExit(f"Cannot train as {root} holds no .txt files: set TEXT")
    return found


def common_words(docs, count=4000):
    """Returns the most frequent lower-case words of 4 to 8 letters, most frequent first."""
    counts = collections.Counter()
    for doc in docs:
        counts.update(re.findall(r"\b[a-z]{4,8}\b", doc))
    return [word for word, _ in counts.most_common(count)]
