"""What a reader of chains finds by hand: each line is parsed, and every question is asked of every record.

Prints a JSON array a line: the arguments of `halod query`, then what they have to find: [[chain, line], ...] of a question, or of
a count {group: [calls, failed, records]}.
"""

import collections
import datetime
import json
import pathlib
import sys

MOST = 6  # questions for one field


def read(path):
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield path.name.removesuffix(".jsonl"), number, record


def at(record, path):
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def end(record):
    said, data = at(record, "outcome.status"), record.get("data") or {}
    if said in ("error", "denied"):
        return said
    if data.get("unfinished") is True or data.get("outcome") == "unfinished":
        return "unfinished"
    return "ok" if said == "ok" else "unknown"


def happened(record):
    return at(record, "data.started_at") or at(record, "data.ended_at") or record["ts"]


FIELDS = {
    "tenant": lambda r: [at(r, "subject.id") or "_local"],
    "session": lambda r: [r.get("session_id")],
    "agent": lambda r: [at(r, "agent.id"), at(r, "agent.name")],
    "principal": lambda r: [at(r, f"principal.{key}") for key in ("human_id", "creator_id", "service_account")],
    "tool": lambda r: [at(r, "action.tool")],
    "model": lambda r: [at(r, "agent.model")],
    "status": lambda r: [end(r)],
    "severity": lambda r: [r.get("severity")],
    "finding": lambda r: [finding["type"] for finding in r.get("findings", [])],
    "trace": lambda r: [at(r, "data.trace_id")],
}


def ask(arguments, found):
    print(json.dumps([arguments, found]))


def questions(records):
    def places(holds):
        return [[chain, line] for chain, line, record in records if holds(record)]

    for name, of in FIELDS.items():
        values = collections.Counter(value for _, _, record in records for value in of(record) if value)
        ranked = [value for value, _ in values.most_common()]
        for value in ranked[: MOST // 2] + ranked[MOST // 2 :][-(MOST // 2) :]:
            if "*" not in value:
                ask([f"--{name}={value}"], places(lambda r: value in of(r)))
    words = collections.Counter(word for _, _, record in records for text in texts(record) for word in text.split())
    ranked = [word for word, _ in words.most_common()]
    for word in ranked[:3] + ranked[len(ranked) // 2 :][:3] + ranked[-3:] + ['"', "\\", "é"]:
        ask([f"--text={word}"], places(lambda r: any(word in text for text in texts(r))))
    ask(["--tool=model.*"], places(lambda r: (at(r, "action.tool") or "").startswith("model.")))
    ask(["--tool=*o*", "--status=error", "--status=denied"],
        places(lambda r: "o" in (at(r, "action.tool") or "") and end(r) in ("error", "denied")))
    for name, of in (("happened", happened), ("sealed", lambda r: r["ts"])):
        times = sorted({of(record)[:19] for _, _, record in records})
        first, middle, last = times[0], times[len(times) // 2], times[-1]
        ask([f"--{name}={middle}Z.."], places(lambda r: of(r)[:19] >= middle))
        ask([f"--{name}=..{middle}"], places(lambda r: of(r)[:19] <= middle))
        ask([f"--{name}={first[:10]}..{last[:10]}"], places(lambda r: True))
        ask([f"--{name}={middle[:10]}"], places(lambda r: of(r)[:10] == middle[:10]))
        ask([f"--{name}={middle[:16]}", "--tool=model.generate"],
            places(lambda r: of(r)[:16] == middle[:16] and at(r, "action.tool") == "model.generate"))
        moment = datetime.datetime.fromisoformat(middle).replace(tzinfo=datetime.timezone.utc)
        east = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat()
        ask([f"--{name}={east}"], places(lambda r: of(r)[:19] == middle))


def target(record):
    """Whom a further account of an action is about."""
    return at(record, "data.corroborates") or record.get("conflicts_with") or at(record, "data.amends")


def counts(records):
    about = {(chain, record.get("record_id")): target(record) for chain, _, record in records if target(record)}
    failed = set()
    for chain, _, record in records:
        if target(record) and end(record) in ("error", "denied"):
            one = record["record_id"]
            while one:
                failed.add((chain, one))
                one = about.get((chain, one))

    def count(by, holds=lambda r: True):
        groups = collections.defaultdict(lambda: [0, 0, 0])
        for chain, _, record in filter(lambda one: holds(one[2]), records):
            group = groups[json.dumps(by(record))]
            group[2] += 1
            is_call = at(record, "action.type") != "agent_message" and not target(record)
            if is_call and at(record, "data.access") is None:
                group[0] += 1
                group[1] += end(record) in ("error", "denied") or (chain, record["record_id"]) in failed
        return groups

    tool, model = (lambda r: at(r, "action.tool") or ""), (lambda r: at(r, "agent.model") or "")
    ask(["--count=tool,day"], count(lambda r: [tool(r), happened(r)[:10]]))
    ask(["--count=tenant,model"], count(lambda r: [at(r, "subject.id") or "_local", model(r)]))
    ask(["--count=month,status"], count(lambda r: [happened(r)[:7], end(r)]))
    ask(["--count=model,data.started_at", "--tool=model.generate"],
        count(lambda r: [model(r), at(r, "data.started_at") or ""], lambda r: tool(r) == "model.generate"))


if __name__ == "__main__":
    found = [record for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl")) for record in read(path)]
    questions(found)
    counts(found)
