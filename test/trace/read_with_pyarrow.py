"""Prints the tables of a trace as JSON: `python pyarrow.py DIRECTORY`."""

import json
import pathlib
import sys

import pyarrow.ipc

tables = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.arrow")):
    with pyarrow.ipc.open_stream(str(path)) as reader:
        table = reader.read_all()
    table.validate(full=True)
    types = {field.name: str(field.type) for field in table.schema}
    docs = {field.name: field.metadata[b"doc"].decode() for field in table.schema}
    tables[path.stem] = {"types": types, "docs": docs, "rows": table.to_pylist()}
json.dump(tables, sys.stdout)
