"""Writes chains into a directory, valid and broken ones, most of them sealed by the reference's recorder.

Prints one JSON array a line: [file, exit code that is right, exit code of `halo verify`, what it printed,
[line, rule] that halod must name or null].
"""

import contextlib
import io
import json
import os
import sys

import halo_record
from halo_record import cli

DIRECTORY = sys.argv[1]
ASK = []


def records(count=4, **more):
    """As a recorder makes them, but unsealed."""
    made = []
    for n in range(count):
        record = halo_record.build(
            "tool_call", "security", "tool%d" % n, {"q": "é %d" % n, "n": n}, subject={"id": "acme"},
            session_id="s\U0001f600", ts="2026-01-01T%02d:%02d:%02dZ" % (n // 3600, n // 60 % 60, n % 60),
        )
        record["record_id"] = "id-%d" % n
        record.update(more)
        made.append(record)
    return made


def seal(made, prev="0" * 64):
    for record in made:
        record["integrity"] = {"alg": "sha-256", "canon": "rfc8785", "prev_hash": prev}
        prev = record["integrity"]["hash"] = halo_record.compute_hash(record, prev)
    return made


def lines(made, **options):
    return [json.dumps(record, **{"separators": (",", ":"), **options}) for record in made]


def sealed(count=4, **more):
    return lines(seal(records(count, **more)))


def chain(name, content, right, finding=None):
    if isinstance(content, list):
        content = "".join(line + "\n" for line in content)
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    path = os.path.join(DIRECTORY, name + ".jsonl")
    with open(path, "wb") as file:
        file.write(content)
    ASK.append((name, path, right, finding))


def edited(name, at, change, finding, right=1):
    """One record is changed after sealing."""
    made = seal(records())
    change(made[at])
    chain(name, lines(made), right, finding)


def resealed(name, change, right, finding=None):
    """One record is changed before sealing, so that its hashes are right."""
    made = records()
    change(made[1])
    chain(name, lines(seal(made)), right, finding)


def with_text(line, text):
    return line[:-1] + "," + text + "}"


def sealed_around(text, value):
    """A record whose line holds `text` and whose hash is over `value`."""
    record = seal(records(1, x=value))[0]
    del record["x"]
    return [with_text(lines([record])[0], '"x":' + text)]


def valid():
    good = sealed()
    chain("plain", good, 0)
    path = os.path.join(DIRECTORY, "recorder.jsonl")
    recorder = halo_record.Recorder(path)
    for record in records(5):
        recorder.append(record)
    ASK.append(("recorder", path, 0, None))
    chain("crlf", "\r\n".join(good) + "\r\n", 0)
    chain("bom", "\ufeff" + "\n".join(good), 0)
    chain("no-newline", "\n".join(good), 0)
    chain("blank-lines", "\n\n" + "\n \t\n\u2003\x1f\u2028\x85\n".join(good) + "\n\n", 0)
    chain("sorted-keys", lines(seal(records()), sort_keys=True), 0)
    chain("canonical", lines(seal(records()), sort_keys=True, ensure_ascii=False), 0)
    chain("reversed-keys", lines([dict(reversed(r.items())) for r in seal(records())]), 0)
    chain("spaces", lines(seal(records()), separators=(" ,  ", " :\t")), 0)
    chain("unknown-fields", sealed(x={"y": [None, True, {"z": "\u2028\x7f"}]}, data={"own": 1}), 0)
    chain("minus-zero", sealed_around("-0", 0), 0)
    chain("largest-integers", sealed(x=[2**53 - 1, -(2**53) + 1]), 0)
    chain("lone-surrogate-value", sealed(x="\ud800"), 0)
    chain("escapes", sealed_around('"\\/\\u0041\\b\\u001f"', "/A\b\x1f"), 0)
    chain("utf16-order", sealed(**{"\ue000": 1, "\U0001f600": 2, "z": 3}), 0)
    chain("odd-ts", sealed(ts="yesterday"), 0)
    chain("backwards-ts", lines(seal(list(reversed(records())))), 0, [2, "time"])
    chain("unknown-parent", sealed(parent_id="nobody"), 0, [1, "parent"])
    resealed("known-parent", lambda r: r.update(parent_id="id-0"), 0)
    resealed("own-parent", lambda r: r.update(parent_id="id-1"), 0, [2, "parent"])
    # An empty id is none: nothing repeats it, and it is nobody's parent.
    chain("empty-ids", sealed(record_id=""), 0)
    chain("empty-parents", sealed(parent_id=""), 0)
    chain("empty-ids-and-parents", sealed(record_id="", parent_id=""), 0)
    chain("parent-of-an-empty-id", lines(seal(records(1, record_id="") + records(1, parent_id="id-0"))), 0, [2, "parent"])
    chain("blank-parents", sealed(parent_id=" "), 0, [1, "parent"])
    resealed("blank-id", lambda r: r.update(record_id=" \t"), 0)
    resealed("no-agent", lambda r: r.pop("agent"), 0)
    chain("reserved-blocks", sealed(
        mcp={"host": "h"}, retention={"policy": "p"}, jurisdiction="EU", framework_tags=["a"],
        signature={"alg": "ed25519", "sig": "s"}), 0)
    chain("truncated-tail", good[:2], 0)
    chain("many-keys", sealed(x={"key%d" % n: n for n in range(500)}), 0)
    chain("deep-but-fine", sealed_around("[" * 320 + "]" * 320, json.loads("[" * 320 + "]" * 320)), 0)
    chain("number-any", sealed(data={"cross_region": 7}), 0)
    chain("long-line", sealed(x="x" * 2_000_000), 0)
    chain("several-chunks", sealed(1500), 0)
    chain("empty", "", 3)
    chain("only-blanks", "\n \n\r\n\u2003\n", 3)
    chain("only-bom", b"\xef\xbb\xbf", 3)


def broken_links():
    good = sealed()
    edited("edit-summary", 1, lambda r: r["action"].update(tool="other"), [2, "hash"])
    edited("edit-first", 0, lambda r: r.update(severity="HIGH"), [1, "hash"])
    edited("edit-last", 3, lambda r: r.update(severity="HIGH"), [4, "hash"])
    edited("edit-unknown", 1, lambda r: r.update(more=1), [2, "hash"])
    edited("edit-ts", 2, lambda r: r.update(ts="2026-01-01T00:00:02.0Z"), [3, "hash"])
    edited("upper-case-hash", 1, lambda r: r["integrity"].update(hash=r["integrity"]["hash"].upper()), [2, "hash"])
    edited("upper-case-prev", 1, lambda r: r["integrity"].update(prev_hash=r["integrity"]["prev_hash"].upper()), [2, "prev-hash"])
    edited("short-hash", 1, lambda r: r["integrity"].update(hash=r["integrity"]["hash"][:-1]), [2, "hash"])
    edited("hash-is-null", 1, lambda r: r["integrity"].update(hash=None), [2, "hash"])
    edited("hash-is-number", 1, lambda r: r["integrity"].update(hash=5), [2, "hash"])
    edited("hash-missing", 1, lambda r: r["integrity"].pop("hash"), [2, "hash"])
    edited("prev-missing", 1, lambda r: r["integrity"].pop("prev_hash"), [2, "prev-hash"])
    edited("prev-is-list", 1, lambda r: r["integrity"].update(prev_hash=[]), [2, "prev-hash"])
    edited("integrity-missing", 1, lambda r: r.pop("integrity"), [2, "prev-hash"])
    edited("integrity-extended", 1, lambda r: r["integrity"].update(extra=1), [2, "hash"])
    chain("drop-first", good[1:], 1, [1, "prev-hash"])
    chain("drop-middle", good[:1] + good[2:], 1, [2, "prev-hash"])
    chain("swap", [good[0], good[2], good[1], good[3]], 1, [2, "prev-hash"])
    chain("insert", good[:2] + sealed(1, record_id="other") + good[2:], 1, [3, "prev-hash"])
    chain("repeat-last", good + good[-1:], 1, [5, "repeated-id"])
    made = seal(records())
    tail = seal([dict(r, severity="LOW") for r in made[2:]], "f" * 64)
    chain("resealed-tail-elsewhere", lines(made[:2] + tail), 1, [3, "prev-hash"])
    chain("two-chains", good + sealed(), 1, [5, "prev-hash"])
    chain("nonzero-start", lines(seal(records(), "a" * 64)), 1, [1, "prev-hash"])


def broken_lines():
    good = sealed()
    chain("torn-last", "\n".join(good)[:-30], 1, [4, "json"])
    chain("torn-middle", [good[0], good[1][:60]] + good[1:], 1, [2, "json"])
    chain("nul-line", [good[0], "\0\0\0"] + good[1:], 1, [2, "json"])
    chain("two-on-a-line", [good[0] + good[1]] + good[2:], 1, [1, "json"])
    chain("trailing-comma", [good[0][:-1] + ",}"] + good[1:], 1, [1, "json"])
    chain("raw-control", [with_text(good[0], '"x":"\x01"')], 1, [1, "json"])
    chain("bom-twice", "\ufeff\ufeff" + "\n".join(good), 1, [1, "json"])
    chain("bom-inside", [good[0], "\ufeff" + good[1]] + good[2:], 1, [2, "json"])
    chain("form-feed", [good[0], "\x0c" + good[1]] + good[2:], 1, [2, "json"])
    chain("next-line-after", [good[0] + "\x85"] + good[1:], 1, [1, "json"])
    chain("not-utf8", "\n".join(good).encode().replace(b"tool2", b"tool\xff"), 1, [3, "utf-8"])
    chain("cut-utf8", "\n".join(lines(seal(records()), ensure_ascii=False)).encode().replace("é 3".encode(), b"\xc3 3"), 1, [4, "utf-8"])
    chain("surrogate-in-utf8", [with_text(good[0], '"x":"\ud800"')], 1, [1, "utf-8"])
    for name, line in [("array", "[1]"), ("number", "5"), ("null", "null"), ("string", '"x"'), ("nan", "NaN")]:
        chain("line-is-" + name, [good[0], line] + good[1:], 1, [2, "form"])
    edited("integrity-is-number", 1, lambda r: r.update(integrity=5), [2, "form"])
    edited("integrity-is-null", 1, lambda r: r.update(integrity=None), [2, "form"])
    resealed("id-is-number", lambda r: r.update(record_id=5), 1, [2, "form"])
    resealed("parent-is-null", lambda r: r.update(parent_id=None), 1, [2, "form"])
    resealed("parent-is-list", lambda r: r.update(parent_id=["id-0"]), 1, [2, "form"])
    resealed("id-is-null", lambda r: r.update(record_id=None), 1, [2, "form"])
    chain("ids-are-null", sealed(record_id=None), 1, [1, "form"])
    chain("blank-ids", sealed(record_id=" "), 1, [2, "repeated-id"])
    chain("invisible-ids", sealed(record_id="\u200b"), 1, [2, "repeated-id"])
    made = records()
    made[1]["parent_id"], made[2]["parent_id"] = None, "id-1"
    made[1]["ts"], made[3]["record_id"] = "2026-01-02T00:00:00Z", "id-1"
    chain("parent-is-of-no-form", lines(seal(made)), 1, [3, "parent"])
    chain("repeated-id", lines(seal(records(record_id="same"))), 1, [3, "repeated-id"])
    chain("repeated-key", [with_text(good[0], '"ts":"2026"')] + good[1:], 1, [1, "repeated-key"])
    chain("repeated-key-same-value", [with_text(good[0], '"ts":"2026-01-01T00:00:00Z"')] + good[1:], 1, [1, "repeated-key"])
    chain("repeated-key-inside", [with_text(good[0], '"x":[{"a":1,"a":1}]')] + good[1:], 1, [1, "repeated-key"])
    chain("repeated-key-by-escape", [with_text(good[0], '"x":{"a":1,"\\u0061":1}')] + good[1:], 1, [1, "repeated-key"])
    for depth in (331, 500, 988, 1200, 100_000):
        chain("deep-%d" % depth, [with_text(good[0], '"x":' + "[" * depth + "]" * depth)] + good[1:], 1,
              [1, "json" if depth > 990 else "hash"])
    chain("deep-objects", [with_text(good[0], '"x":' + '{"a":' * 5000 + "1" + "}" * 5000)] + good[1:], 1, [1, "json"])


def broken_values():
    chain("float", sealed_around("1.0", 1), 1, [1, "number"])
    chain("exponent", sealed_around("1e3", 1000), 1, [1, "number"])
    chain("huge-float", sealed_around("1e22", 1e22), 1, [1, "number"])
    chain("minus-zero-float", sealed_around("-0.0", 0), 1, [1, "number"])
    good = sealed()
    for name, text in [
        ("fraction", "0.5"), ("nan", "NaN"), ("infinity", "-Infinity"), ("overflow", "1e999"),
        ("unsafe-integer", "9007199254740992"), ("unsafe-negative", "-9007199254740992"),
        ("beyond-64-bits", "123456789012345678901234567890"), ("4000-digits", "9" * 4000),
    ]:
        chain(name, [with_text(good[0], '"x":' + text)] + good[1:], 1, [1, "number"])
    chain("4001-digits", [with_text(good[0], '"x":' + "9" * 4001)] + good[1:], 1, [1, "json"])
    chain("leading-zero", [with_text(good[0], '"x":01')] + good[1:], 1, [1, "json"])
    chain("lone-surrogate-key", [with_text(good[0], '"\\ud800":1')] + good[1:], 1, [1, "hash"])
    for name, change in [
        ("version-2", lambda r: r.update(schema_version="0.2")),
        ("version-number", lambda r: r.update(schema_version=1)),
        ("no-version", lambda r: r.pop("schema_version")),
        ("no-session", lambda r: r.pop("session_id")),
        ("no-id", lambda r: r.pop("record_id")),
        ("no-ts", lambda r: r.pop("ts")),
        ("empty-id-null-session", lambda r: r.update(record_id="", session_id=None)),
        ("no-action", lambda r: r.pop("action")),
        ("action-list", lambda r: r.update(action=[])),
        ("action-type", lambda r: r["action"].update(type="think")),
        ("action-category-missing", lambda r: r["action"].pop("category")),
        ("decision", lambda r: r["action"].update(authorization={"decision": "maybe"})),
        ("input-hash", lambda r: r["action"].update(input={"hash": 5})),
        ("severity-case", lambda r: r.update(severity="info")),
        ("severity-null", lambda r: r.update(severity=None)),
        ("findings-object", lambda r: r.update(findings={})),
        ("finding-number", lambda r: r.update(findings=[5])),
        ("finding-severity", lambda r: r.update(findings=[{"type": "x"}])),
        ("threat-type", lambda r: r.update(threats=[{"ref": "x"}])),
        ("subject-text", lambda r: r.update(subject="acme")),
        ("subject-name", lambda r: r.update(subject={"id": "acme", "name": None})),
        ("outcome-status", lambda r: r.update(outcome={"status": "fine"})),
        ("region-number", lambda r: r.update(data={"region": 5})),
        ("cross-region-bool", lambda r: r.update(data={"cross_region": True})),
        ("zdr-number", lambda r: r.update(data={"zdr": 1})),
        ("pii-types", lambda r: r.update(data={"pii_types": ["a", 1]})),
        ("verification-status", lambda r: r.update(verification={})),
        ("signature-alg", lambda r: r.update(signature={"alg": "rsa", "sig": "s"})),
        ("source-capture", lambda r: r.update(source={"capture": "guessed"})),
        ("authority-refs", lambda r: r.update(authority={"refs": [{"loaded": 1}]})),
        ("workspace", lambda r: r.update(authority={"workspace": {"git_commit": 1}})),
        ("stale-if", lambda r: r.update(authority={"stale_if": [1]})),
        ("principal", lambda r: r.update(principal={"human_id": 1})),
        ("agent-model", lambda r: r.update(agent={"model": []})),
        ("mcp-text", lambda r: r.update(mcp="x")),
        ("retention", lambda r: r.update(retention={"policy": 1})),
        ("jurisdiction", lambda r: r.update(jurisdiction=1)),
        ("framework-tags", lambda r: r.update(framework_tags="a")),
    ]:
        resealed("schema-" + name, change, 1, [2, "schema"])

    without = records()
    for record in without:
        del record["record_id"]
    chain("schema-no-ids", lines(seal(without)), 1, [1, "schema"])

    def other_alg(record):
        record["integrity"]["alg"] = "sha-512"
        record["integrity"]["hash"] = halo_record.compute_hash(record, record["integrity"]["prev_hash"])
    made = seal(records(1))
    other_alg(made[0])
    chain("schema-alg", lines(made), 1, [1, "schema"])


def reference(path):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            code = cli.main(["verify", path]) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except (RecursionError, UnicodeError) as crash:
        # The command ends with a traceback and code 1.
        return 1, "crash: " + type(crash).__name__
    return code, out.getvalue()


valid()
broken_links()
broken_lines()
broken_values()
for name, path, right, finding in ASK:
    code, said = reference(path)
    print(json.dumps([name + ".jsonl", right, code, said, finding]))
