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
        shutil.copyfile(os.path.join(trained, name), os.path.join(MODEL, name))
        os.chmod(os.path.join(MODEL, name), 0o644)
    with open(os.path.join(MODEL, "files.json"), "w") as file:
        json.dump({name: digest(os.path.join(MODEL, name)) for name in FILES}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
