"""The reference recorder on a chain that halod writes too.

    co_append.py append DIR TENANT COUNT   appends COUNT records, pausing now and then
    co_append.py hold DIR TENANT SECONDS   takes the chain's lock, prints "held", lets go after SECONDS
"""

import fcntl
import sys
import time

from halo_record import TenantRecorder, build


def append(directory, tenant, count):
    recorder = TenantRecorder(directory)
    for n in range(int(count)):
        recorder.append(build("tool_call", "security", tool="python_tool", tool_input={"n": n},
                              session_id="python", subject=tenant))
        if n % 16 == 0:
            time.sleep(0.01)


def hold(directory, tenant, seconds):
    path = TenantRecorder(directory).chain_path_for(tenant)
    with open(path + ".lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("held", flush=True)
        time.sleep(float(seconds))


{"append": append, "hold": hold}[sys.argv[1]](*sys.argv[2:])
