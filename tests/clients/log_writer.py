"""A program that writes an access log, one numbered line at a time, as a proxy does.

    log_writer.py PATH FIRST COUNT PAUSE_MS [halves]

Opens PATH to append. SIGUSR1: opens it again by its name, as nginx does after a rotation. Ends by itself
after COUNT lines, or at SIGTERM; then says how many it wrote. `halves` writes each line in two parts.
"""

import os
import signal
import sys
import time

path, first, count, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]) / 1000
halves = "halves" in sys.argv[5:]
reopen = stop = False


def on_usr1(*_):
    global reopen
    reopen = True


def on_term(*_):
    global stop
    stop = True


signal.signal(signal.SIGUSR1, on_usr1)
signal.signal(signal.SIGTERM, on_term)


def opened():
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


log = opened()
print("ready", flush=True)
written = 0
while written < count and not stop:
    if reopen:
        reopen = False
        os.close(log)
        log = opened()
    n = first + written
    line = (
        '127.0.0.1 - - [22/Nov/2026:08:29:59 +0000] "POST /v1/chat/completions HTTP/1.1" '
        f'200 {n} "-" "writer"\n'
    ).encode()
    if halves:
        os.write(log, line[:40])
        time.sleep(pause / 2)
        os.write(log, line[40:])
    else:
        os.write(log, line)
    written += 1
    time.sleep(pause)
print(written, flush=True)
