"""Makes policies from a seed, and says what the reference makes of each beside each chain, all in one process.

Prints a line of JSON for each policy: its text, and for each chain the exit code and the verdict; null where it is refused.
"""

import contextlib
import io
import json
import pathlib
import random
import sys

from halo_record import cli

PATHS = [
    ("action.tool", "text"), ("session_id", "text"), ("agent.id", "text"), ("data.region", "text"), ("subject.id", "text"),
    ("severity", "severity"), ("action.type", "type"), ("outcome.status", "status"), ("findings[].severity", "severity"),
    ("findings[].type", "finding"), ("threats[].type", "threat"), ("data.cross_region", "number"), ("data.zdr", "bool"),
    ("authority.refs[].loaded", "bool"), ("data.pii_types", "list"), ("data.pii_types[]", "text"), ("findings", "list"),
    ("action", "object"), ("data", "object"), ("action.tool.x", "free"), ("action.tool.x[]", "free"), ("findings[]", "object"),
    ("data.pii_types[].x", "free"), ("parent_id", "text"), ("action.authorization.decision", "decision"), ("nobody", "text"),
    ("data.foo", "text"), ("action..tool", "text"), ("framework_tags", "list"), ("action.input.hash", "text"), ("ts", "text"),
]
VALUES = {
    "text": ["a", "b", "Mail", "mail", "ssn", "email", "", "a\u200b", "s", "acme", "h", "\u00e9"],
    "severity": ["LOW", "HIGH", "INFO", "CRITICAL"], "type": ["read", "tool_call", "write"], "status": ["ok", "error"],
    "finding": ["ssn", "email", "api_key"], "threat": ["tool_misuse", "policy_violation"], "bool": [True, False],
    "number": [0, 1, 2, 1.0, 1.5, -1, 5, 9007199254740991], "list": ["ssn", "a", "b"], "object": ["x"],
    "free": ["a", 1, True, 1.0, 0, False, "b", 2.5], "decision": ["allowed", "denied", "human_approved"],
}
ODD = [None, 5, True, "x", "", [], {}, ["a"], {"foo": 1}, 1e17, 9007199254740993, "LOW\u200b", -0.0]


def value(chance, kind):
    return chance.choice(ODD) if chance.random() < 0.02 else chance.choice(VALUES[kind])


def matcher(chance, kind):
    if chance.random() < 0.25:
        return value(chance, kind)
    found = {}
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        names = ["exists", "contains"] if kind == "list" else ["exists"] if kind == "object" else \
            ["eq", "ne", "in", "nin", "exists"] + (["gt", "gte", "lt", "lte"] * 2 if kind in ("number", "free") else [])
        name = chance.choice(names if chance.random() < 0.97 else ["eq", "contains", "gt", "exists", "in", "like"])
        if name in ("in", "nin"):
            found[name] = [value(chance, kind) for _ in range(chance.choice([0, 1, 1, 2, 2, 3]))]
        elif name == "exists":
            found[name] = chance.choice([True, False]) if chance.random() < 0.97 else 1
        else:
            found[name] = value(chance, kind)
    return found


def fields(chance, few):
    return {path: matcher(chance, kind) for path, kind in (chance.choice(few) for _ in range(chance.choice([1, 1, 1, 2])))}


def rule(chance, number):
    few = [chance.choice(PATHS) for _ in range(chance.choice([1, 1, 2, 4]))]
    made = {"id": chance.choice(["r%d" % number] * 60 + ["", "r0"])}
    if chance.random() < 0.6:
        made["when"] = fields(chance, few)
    if chance.random() < 0.6:
        made["forbid"] = fields(chance, few)
    if chance.random() < 0.4:
        made["require"] = fields(chance, few)
    if chance.random() < 0.3 or not ("forbid" in made or "require" in made):
        made["expect_evidence"] = chance.choice([True] * 20 + [False, 1, None])
    for key, values in (("description", ["d", "\u00e9\u2028"]), ("severity", ["LOW", "HIGH"]), ("source", ["x"])):
        if chance.random() < 0.2:
            made[key] = chance.choice(values) if chance.random() < 0.98 else chance.choice(ODD)
    if chance.random() < 0.01:
        made["more"] = 1
    return made


def policy(chance):
    rules = [rule(chance, number) for number in range(chance.choice([1, 1, 1, 2, 3]))]
    whole = rules if chance.random() < 0.8 else {"rules": rules, "name": "n", **({"odd": 1} if chance.random() < 0.1 else {})}
    text = json.dumps(whole, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.06:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", "}", "\"", ",", "NaN", "1e999", "\\", text[at:at + 9]]) + text[at + chance.choice([0, 1]):]
    return text


def ask(chain, path, options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = cli.main(["policy", str(chain), str(path), "--json", *options])
        except SystemExit as end:
            code = end.code
    text = out.getvalue()
    return [code, text if text.startswith("{") else None]


WINDOWS = [[], [], [], ["--from", "2026-01-02"], ["--to", "2026-01-02"], ["--from", "2027-01-01"], ["--expect-subject", "acme"]]


def main():
    place, seed, number = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    chains = sorted(path for path in place.glob("*.jsonl") if path.stat().st_size < 100_000)
    file = place / "policy.json"
    for _ in range(number):
        text = policy(chance)
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        options = chance.choice(WINDOWS)
        few = [chance.choice(chains) for _ in range(2)]
        print(json.dumps([text, options, [[chain.name, *ask(chain, file, options)] for chain in few]]))


main()
