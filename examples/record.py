"""Seals one action of an agent, with nothing but Python's standard library.

    python examples/record.py [http://127.0.0.1:4318] [token]
"""
import json, sys, time, urllib.error, urllib.request, uuid

endpoint = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4318"
token = sys.argv[2] if len(sys.argv) > 2 else None
if token and not (token.isascii() and token.isprintable()):
    sys.exit("the token has a line break or another character that no header may hold; take it out")


def record(*records, patience=30):
    """Returns when the records are on disk. Sent again with the same keys they seal nothing twice."""
    headers = {"content-type": "application/json", **({"authorization": "Bearer " + token} if token else {})}
    request = urllib.request.Request(endpoint + "/v1/records", json.dumps(records).encode(), headers)
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError) as error:  # 503, or halod is not there
            status = getattr(error, "code", 503)
            if status != 503 or time.monotonic() > deadline:
                raise RuntimeError(error.read().decode() if hasattr(error, "read") else error) from error
            time.sleep(int(getattr(error, "headers", {}).get("retry-after", 1)))


receipt = record({
    "key": str(uuid.uuid4()),  # made before the first try
    "subject": "acme-corp",
    "agent": {"id": "support-agent", "version": "1.4.2"},
    "action": {"type": "tool_call", "category": "security", "tool": "lookup_order", "input": {"order": "A-1042"}},
    "outcome": {"value": {"status": "shipped"}},
})
for result in receipt["results"]:
    print("%s: %s" % (result["status"], result.get("record_id") or result["errors"]))
print("head: %(subject)s %(records)d %(hash)s" % receipt["heads"][0])
