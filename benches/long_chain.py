"""Writes a chain as halod seals them, as long as wanted, for figures of who reads chains.

    python3 benches/long_chain.py CHAIN.jsonl MEGABYTES

Records are of agents' runs: a model call, a tool call and what is around them, ids of their own, 1.6 KB on average.
"""

import datetime
import hashlib
import json
import sys
import uuid

PROMPT = (
    '[{"role":"system","parts":[{"content":"You are Acme\'s support agent. Be brief and answer with facts only",'
    '"type":"text"}]},{"role":"user","parts":[{"content":"Where is my order number %d?'
)


def record(n, trace, parent):
    started = datetime.datetime(2026, 10, 1) + datetime.timedelta(seconds=n * 2)
    kind = n % 4
    tool = ("agent.invoke", "model.generate", "lookup_order", "model.generate")[kind]
    is_call = kind != 0
    digest = hashlib.sha256(str(n).encode()).hexdigest()
    text = PROMPT % n if is_call else "run"
    made = {
        "action": {
            "category": "reliability",
            "tool": tool,
            "type": "tool_call" if is_call else "agent_message",
            "authorization": {"scope": "model:openai"},
            "input": {"hash": "sha256:" + digest, "summary": text},
        },
        "agent": {"id": "acme-support-agent", "model": "gpt-4o-mini", "name": "acme-support-agent", "version": "1.4.2"},
        "data": {
            "duration_ms": 250,
            "ended_at": started.isoformat() + ".250000Z",
            "input_tokens": 100 + n % 900,
            "instrumentation_scope": "opentelemetry.util.genai.handler",
            "output_tokens": n % 300,
            "span_id": digest[:16],
            "started_at": started.isoformat() + ".000000Z",
            "trace_flags": 1,
            "trace_id": trace,
        },
        "findings": [],
        "outcome": {
            "hash": "sha256:" + digest,
            "status": "error" if n % 50 == 7 else "ok",
            "summary": f"Order {n} was shipped on Tuesday; a new shipment is on its way and will reach the customer",
        },
        "principal": {"human_id": f"user-{n % 977}"},
        "record_id": str(uuid.UUID(digest[:32], version=4)),
        "schema_version": "0.1",
        "session_id": f"conv-{n // 16:06}",
        "severity": "INFO",
        "source": {"adapter": "otel", "capture": "ingested", "dialect": "gen_ai", "mapping": "3", "via": "OpenTelemetry GenAI spans"},
        "subject": {"id": "acme-corp"},
        "ts": (started + datetime.timedelta(seconds=1)).isoformat() + ".000000Z",
    }
    if parent:
        made["parent_id"] = parent
    return made


def main(path, megabytes):
    prev, written, n, trace, parent = "0" * 64, 0, 0, "", None
    with open(path, "wb") as out:
        while written < megabytes * 1_000_000:
            if n % 4 == 0:
                trace, parent = hashlib.sha256(b"t%d" % n).hexdigest()[:32], None
            made = record(n, trace, parent)
            parent = parent or made["record_id"]
            made["integrity"] = {"alg": "sha-256", "canon": "rfc8785", "prev_hash": prev}

            def text():
                return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

            made["integrity"]["hash"] = prev = hashlib.sha256(text()).hexdigest()
            written += out.write(text() + b"\n")
            n += 1
    print(f"{n} records, {written} bytes")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
