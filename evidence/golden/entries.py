"""Makes entries.json anew, from docs/checkpoints.md alone: what operators declare, as entries of the log.

    python3 entries.py > entries.json
"""

import base64
import hashlib
import json

ORIGIN = "halod.invalid/0011223344556677"


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def vkey(public):
    key_id = sha(ORIGIN.encode(), b"\n\1", public)[:4]
    return "%s+%s+%s" % (ORIGIN, key_id.hex(), base64.b64encode(b"\1" + public).decode())


def main():
    old, new = vkey(bytes(range(32))), vkey(bytes(range(32, 64)))
    note = "%s\n7\n%s\n\n\u2014 %s %s\n" % (ORIGIN, base64.b64encode(bytes(32)).decode(), ORIGIN, base64.b64encode(bytes(68)).decode())
    slot, before, after, reason = (sha(word) for word in (b"slot", b"old", b"new", "restored a backup".encode()))
    entries = {
        "rotate": b"halod-rotate/v1\n" + old.encode() + b"\n" + new.encode() + b"\n",
        "continues": b"halod-continues/v1\n" + note.encode(),
        "break": b"halod-break/v1\n" + slot + before + after + reason,
        "retire": b"halod-retire/v1\n" + slot + before,
    }
    print(json.dumps({"old": old, "new": new, "note": note, "slot": slot.hex(), "before": before.hex(), "after": after.hex(),
                      "reason": "restored a backup", **{name: one.hex() for name, one in entries.items()}}, indent=1))


main()
