"""Makes chains in a directory, exports each with the reference for several windows and tools, all in one process.

Prints a line of JSON for each export: the chain, the options, the exit code, and the names of table and manifest.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import sys

from halo_record import canon, cli

HIDDEN = "\u200b"
SUMMARIES = [
    "{'a': 1, 'b': [1, 2], 'c': {'d': None}}", "[1, 'x']", "{}", '{"n":0}', "{'a': true}", " {'a': 1} ",
    "['a' 'b']", "{'a': 1, 'a': 2}", "[(1, 2), ()]", "['\\n\\x41\\u00e9', r'\\n', u'x', \"it's\"]",
    "[1_000, 0x10, 0o7, 0b1, 007]", "[-1, +2, --3]", "[1 + 2]", "['''tri\nple''']", "[...]", "[1,]", "[,]", "[1] # c]",
    "[1\n]", "{'k': '[1, 2]'}", "x", "=1+1", " =1", "\t=1", "\u00a0=1", "\u3000@x", "-1", "'x", "\x7fx", "\r\nx", "\x00x",
    "a,b", 'a"b', "a\nb", "", "\u2028=1", "\x1c=1", "\x85=1", "{'a': '=1'}", "[9999999999999999999999]", "[1e400, -1e400]",
    "[0.1, 1e16, 1e15, 1e-5, 0.0001, 1.0, 123456789.123]", "{'a': [[[[[[[[[1]]]]]]]]]}", "[True, False, None]", "[1,2",
    "[-1.5e-7, .5, 1., 00, 09.5, 1_0.0_1]", "['\\q', '\\777', '\\0']", "[\x0c1, #c\n2]", "{True: False, 1.5: 'x', None: 2}",
]


def seal(records, path, ascii_only=True):
    previous, lines = "0" * 64, []
    for number, more in enumerate(records):
        record = {"schema_version": "0.1", "record_id": "r%d" % number, "session_id": "s",
                  "ts": "2026-01-%02dT00:00:00Z" % (number % 28 + 1), "action": {"type": "read", "category": "safety"}}
        record.update(more)
        record["integrity"] = {"alg": "sha-256", "canon": "rfc8785", "prev_hash": previous}
        text = canon(record)
        previous = hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()
        record["integrity"]["hash"] = previous
        lines.append(json.dumps(record, separators=(",", ":"), ensure_ascii=ascii_only))
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def action(**more):
    return {"action": {"type": "tool_call", "category": "security", **more}}


FULL = {
    "source": {"adapter": "ad", "via": "v", "capture": "ingested"}, "authority": {"snapshot_id": "snap"}, "parent_id": "r0",
    "verification": {"status": "allowed", "verifier": "v", "policy_ref": "p", "checked_at": "c"},
    "subject": {"id": "acme", "name": "Acme"}, "severity": "LOW", "threats": [{"type": "t"}, {"type": "u"}],
    "principal": {"human_id": "h", "creator_id": "", "service_account": "s", "role_scope": "x"},
    "agent": {"id": "i", "name": "", "version": "1", "model": "m", "model_version": "w"},
    "findings": [{"type": "a", "severity": "LOW"}, {"type": "", "severity": "LOW"}],
    "data": {"region": "r", "cross_region": 0, "purpose": "p", "pii_types": ["a", "b"], "own": {"x": [1]}},
}


def chains(place):
    odd = [FULL, {"source": {"adapter": "x"}}, {"source": {}}, {"data": {"cross_region": 5}}, {"authority": {"scope": "s"}},
           {"authority": {"same_as_previous": True}}, {"ts": "=1"}, {"ts": "garbage"}, {"ts": "2026-01-03T01:00:00.5+02:00"},
           {"ts": "2026-W01-1"}, {"ts": ""}, {"agent": {"id": "i", "name": "n"}}, {"subject": {"id": "\u00e9"}}]
    seal(odd + [action(tool=tool, authorization={"scope": "-s", "approver": "+a", "decision": "denied"})
                for tool in ("=T", "Mail", "mail", "b, c", "\u0130")], place / "odd.jsonl")
    seal([action(input={"summary": text, "hash": "h"}, tool="T") for text in SUMMARIES]
         + [{"outcome": {"status": "ok", "summary": text}} for text in SUMMARIES], place / "summaries.jsonl", False)
    seal([{"session_id": "s" + HIDDEN, "agent": {"id": HIDDEN, "name": "n\u00ad"}} for _ in range(120)], place / "hidden.jsonl")
    seal([FULL, FULL], place / "marked.jsonl")
    marked = (place / "marked.jsonl").read_bytes()
    (place / "marked.jsonl").write_bytes(b"\xef\xbb\xbf" + marked.replace(b"\n", b"\r\n") + b"  \n")
    (place / "torn.jsonl").write_bytes(marked + b'{"schema')
    (place / "changed.jsonl").write_bytes(marked.replace(b"acme", b"evil"))
    (place / "empty.jsonl").write_bytes(b"")
    (place / "blank.jsonl").write_bytes(b"\n  \n")


OPTIONS = [
    [], ["--from", "2026-01-02"], ["--to", "2026-01-03"], ["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-05"],
    ["--from", "2027-01-01"], ["--from", "nonsense"], ["--tool", "mail"], ["--tool", " b , =t", "--tool", "T"],
    ["--tool", ","], ["--expect-subject", "acme"], ["--expect-subject", "other"], ["--to", "2026-W01-1"],
]


def main():
    place = pathlib.Path(sys.argv[1])
    chains(place)
    for more in sys.argv[2:]:
        source = pathlib.Path(more)
        (place / source.name).write_bytes(source.read_bytes())
    for chain in sorted(place.glob("*.jsonl")):
        for number, options in enumerate(OPTIONS):
            out = place / ("%s.%d.csv" % (chain.stem, number))
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                try:
                    code = cli.main(["export", str(chain), "-o", str(out), *options])
                except SystemExit as end:
                    code = end.code
            print(json.dumps([chain.name, options, code, out.name]))


main()
