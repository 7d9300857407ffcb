"""Makes receipt.json anew, from docs/checkpoints.md alone: Python's own hashes and JSON, and OpenSSL for the signature.

    python3 make_receipt.py > receipt.json
"""

import base64
import json
import uuid

from make import ORIGIN, sha, sign, tree

MILLIS = 1795336218456


def main():
    tenants = ["acme", "acme", None, "Zoë's \"shop\"\n\t\x01\x7f\\ / 株式会社"]
    places = [("at", 17), ("at", 18), ("within", 3), ("at", 1)]
    entries, lines, last = [], [], None
    for number, (tenant, (place, at)) in enumerate(zip(tenants, places)):
        digest = sha(b"receipt", bytes([number]))
        # The second record is linked to the first one.
        prev = sha(b"receipt", b"\0") if number == 1 else sha(b"before", bytes([number]))
        micros, record = MILLIS * 1000 - 7 * number, str(uuid.UUID(bytes=digest[:16], version=5))
        shown = "^" if prev == last else prev.hex()
        text = "-" if tenant is None else json.dumps(tenant, ensure_ascii=False)
        lines.append("%s %d %d %s %s %s %s" % (place, at, micros, record, digest.hex(), shown, text))
        entries.append({"tenant": tenant, "place": place, "number": at, "micros": micros, "record": record,
                        "hash": digest.hex(), "prev": prev.hex()})
        last = digest
    root = tree([line.encode() for line in lines])
    text = "halod-receipt/v1\n%s\n%d\n%s\n%d\n" % (ORIGIN, len(lines), base64.b64encode(root).decode(), MILLIS)
    note, vkey, pkcs8 = sign(text)
    print(json.dumps({"origin": ORIGIN, "millis": MILLIS, "entries": entries, "root": root.hex(), "note": note,
                      "file": note + "\n" + "".join(line + "\n" for line in lines), "vkey": vkey, "pkcs8": pkcs8}, indent=1))


if __name__ == "__main__":
    main()
