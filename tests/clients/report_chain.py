"""Writes chains, sealed by the reference's hash, for the report's page to show.

Arguments: a directory, and which chains: `first` begins acme's, `more` goes on with it, `hostile` has what a page must
never take for its own, `long` has as many records as a report in a file holds.
"""

import datetime
import json
import os
import sys

import halo_record

DIRECTORY, WHAT = sys.argv[1:]
TUESDAY = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)


def stamp(minutes):
    return (TUESDAY + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def record(number, tool, minutes, given=None, kind="tool_call", category="security", status="ok", subject="acme",
           sealed=None, **more):
    """One record; `sealed` is when, in minutes, where that is not at once."""
    action = {"type": kind, "category": category, "tool": tool}
    if given is not None:
        shown = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        action["input"] = {"summary": shown, "hash": halo_record.input_hash(given)}
    action.update(more.pop("action", {}))
    data = {"started_at": stamp(minutes), "ended_at": stamp(minutes), "trace_id": "%032x" % (number // 8 + 1)}
    data.update(more.pop("data", {}))
    return {
        "schema_version": "0.1", "record_id": "%08x-0000-4000-8000-000000000000" % number, "session_id": "session-%d" % (number // 40),
        "ts": stamp(minutes if sealed is None else sealed), "action": action, "data": data, "findings": more.pop("findings", []),
        "outcome": {"status": status, "summary": more.pop("said", "done")}, "severity": "INFO",
        "agent": {"id": "desk", "name": "Helpdesk", "model": "gpt-4o"},
        "subject": {"id": subject}, "source": {"adapter": "otel", "capture": "ingested", "via": "test"}, **more,
    }


def first():
    """A Tuesday and a Wednesday, with one of everything that a reviewer asks for."""
    made = [record(n, "search.web" if n % 3 else "model.generate", 5 * n, "question %d" % n) for n in range(1, 300)]
    person = {"principal": {"human_id": "Ms. Müller"}, "findings": [{"type": "email", "severity": "MEDIUM", "sample": "a***@example.com"}],
              "data": {"pii_types": ["email"]}}
    made[10] = record(11, "crm.lookup", 55, {"customer": "株式会社サンプル"}, **person)
    made[11] = record(12, "mail.send", 60, "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3, **person)
    made[12] = record(13, "mail.send", 65, "مرحبا بالعالم", status="denied", action={"authorization": {"decision": "denied", "scope": "mail"}})
    made[13] = record(14, "db.drop", 70, "orders", status="error", said="no such table")
    made[14] = record(15, "db.write", 75, "orders", kind="write",
                      action={"authorization": {"decision": "human_approved", "approver": "Dana Lead"}})
    made[15] = record(16, "search.web", 80, "told late", sealed=5000, parent_id=made[14]["record_id"])
    made[16] = record(17, "halod.gap", 5000, kind="agent_message", category="reliability", status="error",
                      said="12 records were refused because the disk was full")
    for later in made[17:]:
        later["ts"] = stamp(5000 + int(later["record_id"][:8], 16))
    return made


def more():
    return [record(n, "search.web", 6000 + n, "question %d" % n) for n in range(400, 460)]


def hostile():
    evil = ["</script><script>window.pwned=1</script>", "<!-- <script>", "<img src=x onerror=window.pwned=1>", "javascript:window.pwned=1",
            "safe\u202etxt.exe", "zero\u200bwidth", "\u2028\u2029", "{{library}}", "$& $1 $`", "-->", "]]>", "'\"`"]
    made = [record(n + 1, text, n, text, said=text, subject="evil",
                   agent={"id": text, "name": text}, principal={"human_id": text}) for n, text in enumerate(evil)]
    deep = "x"
    for _ in range(280):
        deep = [deep]
    made.append(record(90, "deep", 90, subject="evil", data={"deep": deep, "started_at": stamp(90)}))
    made.append(record(91, "proto", 91, subject="evil", data={"__proto__": {"polluted": 1}, "constructor": "x", "hasOwnProperty": 1, "toString": "y"}))
    made.append(record(92, "huge", 92, "y" * 3000000, subject="evil"))
    return made


def long():
    return [record(n, "tool-%d" % (n % 17), n, "question %d with some words around it" % n, subject="long") for n in range(5000)]


def main():
    made = {"first": first, "more": more, "hostile": hostile, "long": long}[WHAT]()
    path = os.path.join(DIRECTORY, made[0]["subject"]["id"] + ".jsonl")
    prev = "0" * 64
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            prev = json.loads(file.readlines()[-1])["integrity"]["hash"]
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        for one in made:
            one["integrity"] = {"alg": "sha-256", "canon": "rfc8785", "prev_hash": prev}
            prev = one["integrity"]["hash"] = halo_record.compute_hash(one, prev)
            file.write(json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n")


main()
