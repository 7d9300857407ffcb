"""Answers, a line of JSON each, with the record that the reference builds of each line of JSON on standard input.

A line is an object: input, result or error, session, agent, error_type, call_id, summaries.
"""

import json
import sys
import tempfile
from pathlib import Path

from halo_record import Recorder, load_records
from halo_record.integrations import record_tool_call


def main():
    with tempfile.TemporaryDirectory() as directory:
        chain = Path(directory) / "chain.jsonl"
        recorder = Recorder(chain)
        for line in sys.stdin:
            event = json.loads(line)
            record_tool_call(
                recorder,
                "lookup",
                event["input"],
                response=event.get("result"),
                error=event.get("error"),
                agent=event["agent"],
                session_id=event["session"],
                data={"error_type": event["error_type"], "call_id": event["call_id"]},
                summaries=event["summaries"],
            )
        for record in load_records(chain):
            print(json.dumps(record))


main()
