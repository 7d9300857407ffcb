"""Answers, a line of JSON each, with the record that the reference builds of each row on standard input."""

import json
import sys
import tempfile
from pathlib import Path

from halo_record import Recorder, load_records
from halo_record.integrations.gateway import record_log


def main():
    with tempfile.TemporaryDirectory() as directory:
        chain = Path(directory) / "chain.jsonl"
        recorder = Recorder(chain)
        for line in sys.stdin:
            record_log(recorder, json.loads(line))
        for record in load_records(chain):
            print(json.dumps(record))


main()
