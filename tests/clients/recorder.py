"""The reference recorder, told what to do: one order a line, as JSON; what came of it a line.

    ["append", ID, TOOL, TS]   seals a record of subject ID ("" for none; TS null for now)
    ["where", ID]              names the file that it would extend

Each order is a new recorder's, as if its process had just begun.
"""

import json
import os
import sys

from halo_record import TenantRecorder, build

for line in sys.stdin:
    order = json.loads(line)
    recorder = TenantRecorder(sys.argv[1])
    subject = order[1] or None
    if order[0] == "append":
        recorder.append(build("tool_call", "security", tool=order[2], session_id="python", subject=subject,
                              **({"ts": order[3]} if order[3] else {})))
    print(json.dumps(os.path.basename(recorder.chain_path_for(subject or "_local"))))
