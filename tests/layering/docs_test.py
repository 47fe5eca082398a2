#!/usr/bin/python3
"""The documents name files that exist, and functions that stand in the files they are named with.

`a/b.cc`, `Name` in docs/architecture.md means that Name is in a/b.cc; a path in backticks may be shortened to the
part below dispatcher/.
"""
import pathlib
import re
import sys

failed = False
named = 0
for document in sorted(pathlib.Path("docs").glob("*.md")) + [pathlib.Path("README.md")]:
    text = " ".join(document.read_text().split())
    for match in re.finditer(r"`([a-z_]+(?:/[A-Za-z_0-9.]+)+\.(?:cc|h|c|py|sh))`(?:, `([A-Za-z_]+(?:::[A-Za-z_]+)?)`)?", text):
        path, name = match.groups()
        where = [p for p in (pathlib.Path(path), pathlib.Path("dispatcher") / path) if p.is_file()]
        if not where:
            print(f"{document}: no file {path}")
            failed = True
            continue
        if name:
            named += 1
            if not re.search(rf"\b{name.split('::')[-1]}\b", where[0].read_text()):
                print(f"{document}: {path} has no {name}")
                failed = True
if named < 4:
    print(f"only {named} names were checked: has the call that is followed gone from docs/architecture.md?")
    failed = True
sys.exit(failed)
