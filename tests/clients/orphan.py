"""Writes a chain of one record whose parent no chain has, sealed as the reference seals."""

import json
import sys

import halo_record

record = halo_record.build("tool_call", "security", "lookup", {"q": 1}, subject={"id": "orphan"}, session_id="s",
                           ts="2026-01-01T00:00:00Z")
record["parent_id"] = "0000-elsewhere"
record["integrity"] = {"alg": "sha-256", "canon": "rfc8785", "prev_hash": "0" * 64}
record["integrity"]["hash"] = halo_record.compute_hash(record, "0" * 64)
with open(sys.argv[1], "w") as chain:
    chain.write(json.dumps(record) + "\n")
