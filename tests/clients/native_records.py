"""Answers, a line of JSON each, with the record that the reference's build() makes of each line of JSON on standard
input.

A line is an object: record, in the shape of halod's native door, and summaries.
"""

import contextlib
import io
import json
import sys

from halo_record.capture import derive_outcome
from halo_record.record import build


def outcome_of(said):
    if said is None:
        return None
    outcome = derive_outcome(said.get("value"), said.get("error")) if "value" in said or "error" in said else {}
    if "status" in said:
        outcome["status"] = said["status"]
    return outcome


def own(said):
    """What halod puts into `data` itself."""
    parent = said.get("parent_id")
    return {"key": said["key"], **({"parent_record_id": parent} if parent else {})}


def make(said, summaries):
    action = said["action"]
    authorization = action.get("authorization", {})
    return build(
        action["type"],
        action["category"],
        tool=action.get("tool"),
        tool_input=action.get("input"),
        session_id=said.get("session_id"),
        agent=said.get("agent"),
        scope=authorization.get("scope"),
        decision=authorization.get("decision"),
        approver=authorization.get("approver"),
        outcome=outcome_of(said.get("outcome")),
        subject=said.get("subject"),
        authority=said.get("authority"),
        principal=said.get("principal"),
        parent_id=said.get("parent_id"),
        threats=said.get("threats"),
        data={**own(said), **said.get("data", {})},
        verification=said.get("verification"),
        summaries=summaries,
    )


def main():
    for line in sys.stdin:
        case = json.loads(line)
        # It says there what it masks and drops.
        with contextlib.redirect_stderr(io.StringIO()):
            record = make(case["record"], case["summaries"])
        print(json.dumps(record))


main()
