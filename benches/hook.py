"""How long a hook holds an agent up, and what a killed daemon costs: hook.py HALOD [HALO]

HALOD is a release build of halod, HALO the reference's command (`pip install halo-record==0.2.46`). Each call is a process
with one event of Claude Code on its standard input; the ways take turns, so that the machine's other work meets all alike.
"""

import collections
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CALLS = 200
halod, halo = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None


def event(number):
    return json.dumps({
        "session_id": "79801370-a84c-4470-8d3a-1cad2589fef0", "prompt_id": "4f718b32", "hook_event_name": "PostToolUse",
        "tool_name": "Bash", "tool_input": {"command": "cat notes.md", "description": "Show the notes"},
        "tool_response": {"stdout": "a line of ordinary text, as tools print it\n" * 40, "stderr": ""},
        "tool_use_id": "toolu_%s" % number, "duration_ms": 12}).encode()


def daemon(directory):
    doors = [word for door in ("grpc", "http", "admin") for word in ("--" + door, "127.0.0.1:0")]
    process = subprocess.Popen([halod, "run", "--dir", directory, *doors], stderr=subprocess.DEVNULL)
    while not os.path.exists(directory + "/.halod/halod.sock"):
        time.sleep(0.01)
    return process


def call(command, number, environment=None):
    begun = time.perf_counter()
    done = subprocess.run(command, input=event(number), capture_output=True, env=environment)
    took = (time.perf_counter() - begun) * 1000
    return took, done.returncode == 0 and not done.stderr


def latency(place):
    live, dead = place + "/live", place + "/dead"
    running = daemon(live)
    first = daemon(dead)
    time.sleep(1)
    first.terminate(), first.wait()
    ways = {"halod, with a daemon": ([halod, "hook", "--strict", "--dir", live], None),
            "halod, without (spool)": ([halod, "hook", "--strict", "--dir", dead], None),
            "/bin/true": (["/bin/true"], None)}
    if halo:
        ways["the reference's hook"] = ([halo, "hook"], {**os.environ, "HALO_LOG": place + "/halo.jsonl"})
    times = collections.defaultdict(list)
    for number in range(CALLS):
        for name, (command, environment) in ways.items():
            took, fine = call(command, number, environment)
            assert fine or name == "/bin/true", name
            times[name].append(took)
    running.terminate(), running.wait()
    for name, took in times.items():
        took.sort()
        print("%-24s p50 %6.1f ms  p99 %6.1f ms" % (name, statistics.median(took), took[int(len(took) * 0.99) - 1]))


def kills(place):
    directory, over = place + "/kills", threading.Event()
    daemon(directory).terminate()
    time.sleep(1)

    def keep_killing():
        while not over.is_set():
            process = subprocess.Popen([halod, "run", "--dir", directory, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0",
                                        "--admin", "127.0.0.1:0"], stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL), process.wait()
            time.sleep(random.uniform(0, 0.3))

    killer = threading.Thread(target=keep_killing)
    killer.start()
    told = [call([halod, "hook", "--strict", "--dir", directory], "k%d" % n)[1] for n in range(CALLS * 2)]
    over.set(), killer.join()
    last = daemon(directory)
    while any(name != "rules.yaml" for name in os.listdir(directory + "/.halod/spool")):
        time.sleep(0.1)
    last.terminate(), last.wait()
    records = [json.loads(line) for line in open(directory + "/local.jsonl")]
    counted = collections.Counter(r["data"]["call_id"] for r in records if r["action"]["tool"] == "Bash")
    lost = sum(fine and not counted["toolu_k%d" % n] for n, fine in enumerate(told))
    doubled = sum(count > 1 for count in counted.values())
    print("daemon killed in between: %d calls, %d told to be recorded, %d lost, %d doubled; halod verify: %d" % (
        len(told), sum(told), lost, doubled, subprocess.run([halod, "verify", directory], capture_output=True).returncode))


with tempfile.TemporaryDirectory() as place:
    latency(place)
    kills(place)
