"""Reads one tenant id a line, as JSON; prints the reference's file name and its name before 0.2.46."""

import json
import os
import sys

import halo_record

recorder = halo_record.TenantRecorder(sys.argv[1])
for line in sys.stdin:
    tenant = json.loads(line)
    if tenant == "_local":
        # The reference decides this one when a record comes.
        recorder.append(halo_record.build("read", "safety", subject={"id": tenant}))
        (name,) = (name for name in os.listdir(sys.argv[1]) if name.endswith(".jsonl"))
    else:
        name = os.path.basename(recorder.path_for(tenant))
    print(json.dumps([name, recorder._safe(tenant) + ".jsonl"]))
