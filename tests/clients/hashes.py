"""Reads one JSON string a line, each holding a JSON text; prints the reference's hash of each, or "refused".

The hash is asked for two calls below the module, as deep as `halo hash` asks for it: how deep a value may be
nested before its hash changes depends on that, and on the frames of CPython 3.11: other versions say "depends".
"""

import json
import sys

import halo_record


def ask(value):
    return halo_record.input_hash(value)


def main():
    # A first use of a codec needs stack of its own.
    ask({"b": "\ud800", "a": 1})
    for line in sys.stdin:
        text = json.loads(line)
        if sys.version_info[:2] != (3, 11) and text.count("[") + text.count("{") > 200:
            print("depends")
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            print("refused")
            continue
        print(ask(value))


main()
