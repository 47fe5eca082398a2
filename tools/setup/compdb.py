#!/usr/bin/env python3
"""Turns `bazel aquery --output=jsonproto` of the C and C++ compilations into compile_commands.json.

usage: compdb.py AQUERY.json compile_commands.json   (run in the checkout; ./dev compdb does)
"""

import json
import os
import sys

# g++ options that clang's tools do not know, and what only matters for a real build.
DROPPED = {"-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-Wno-maybe-uninitialized", "-Wno-restrict",
           "-Wunused-but-set-parameter", "-Werror"}


def main(argv):
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(argv[1], encoding="utf-8") as file:
        actions = json.load(file).get("actions", [])
    entries = {}
    for action in actions:
        arguments = [a for a in action["arguments"] if a not in DROPPED]
        if "-c" not in arguments:
            continue
        source = arguments[arguments.index("-c") + 1]
        # Bazel's execution root mirrors the checkout, and bazel-out is linked there, so paths hold
        # in both.
        entries[source] = {"directory": os.getcwd(), "file": source, "arguments": arguments}
    part = argv[2] + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump([entries[source] for source in sorted(entries)], file, indent=1)
        file.write("\n")
    os.replace(part, argv[2])
    print(f"{argv[2]}: {len(entries)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
