"""Puts a trained model where the module ships it, with the checksums that remote importers check.

Usage: python ship.py TRAINED
"""

import hashlib
import json
import os
import shutil
import sys

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MODEL = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def digest(path):
    with open(path, "rb") as file:
        data = file.read()
    return {"sha256": hashlib.sha256(data).hexdigest(), "sizeBytes": len(data)}


def main(trained):
    for name in FILES:
        # Renamed into place: a process may have the old file mapped.
        target = os.path.join(MODEL, name)
        shutil.copyfile(os.path.join(trained, name), target + ".tmp")
        os.replace(target + ".tmp", target)
    with open(os.path.join(MODEL, "files.json"), "w") as file:
        json.dump({name: digest(os.path.join(MODEL, name)) for name in FILES}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
