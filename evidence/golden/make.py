"""Makes epoch.json anew, from docs/checkpoints.md alone: Python's own hashes, and OpenSSL for the signature.

    python3 make.py > epoch.json

What is signed is for ever: the test that reads the file must never need another one.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import tempfile

ORIGIN = "halod.invalid/0011223344556677"
OPENSSL = os.environ.get("OPENSSL", "openssl")
SECRET = bytes(range(32, 64))
SEED = bytes(range(32))
EPOCH, MILLIS = 3, 1795336218123


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves):
    """RFC 6962, section 2.1."""
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return sha(b"\0", leaves[0])
    at = 1
    while at * 2 < len(leaves):
        at *= 2
    return sha(b"\1", tree(leaves[:at]), tree(leaves[at:]))


def inclusion(index, leaves):
    if len(leaves) == 1:
        return []
    at = 1
    while at * 2 < len(leaves):
        at *= 2
    if index < at:
        return inclusion(index, leaves[:at]) + [tree(leaves[at:])]
    return inclusion(index - at, leaves[at:]) + [tree(leaves[:at])]


def slot(tenant):
    return sha(b"halod-slot/v1\0", ORIGIN.encode(), b"\0", b"\0" if tenant is None else tenant.encode())


def state(generation, before, hashes):
    return struct.pack(">I", generation) + before + struct.pack(">Q", len(hashes)) + hashes[-1] + hashes[0] + tree(hashes)


def bit(slot, at):
    return slot[at // 8] >> (7 - at % 8) & 1


def trie(leaves):
    """The root over (slot, hidden), by the bits of the slots."""
    if not leaves:
        return sha(b"\4")
    if len(leaves) == 1:
        return sha(b"\2", *leaves[0])
    at = next(at for at in range(256) if len({bit(slot, at) for slot, _ in leaves}) == 2)
    sides = [[leaf for leaf in leaves if bit(leaf[0], at) == side] for side in (0, 1)]
    return sha(b"\3", bytes([at]), trie(sides[0]), trie(sides[1]))


def way(of, leaves):
    if len(leaves) == 1:
        return []
    at = next(at for at in range(256) if len({bit(slot, at) for slot, _ in leaves}) == 2)
    sides = [[leaf for leaf in leaves if bit(leaf[0], at) == side] for side in (0, 1)]
    return way(of, sides[bit(of, at)]) + [[at, trie(sides[1 - bit(of, at)]).hex()]]


def sign(text):
    key = bytes.fromhex("302e020100300506032b657004220420") + SEED
    with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as message:
        file.write(key), file.flush()
        message.write(text.encode()), message.flush()
        common = ["-inkey", file.name, "-keyform", "DER"]
        signature = subprocess.check_output([OPENSSL, "pkeyutl", "-sign", "-rawin", "-in", message.name] + common)
        public = subprocess.check_output([OPENSSL, "pkey", "-in", file.name, "-inform", "DER", "-pubout", "-outform", "DER"])[-32:]
    key_id = sha(ORIGIN.encode(), b"\n\1", public)[:4]
    line = base64.b64encode(key_id + signature).decode()
    vkey = "%s+%s+%s" % (ORIGIN, key_id.hex(), base64.b64encode(b"\1" + public).decode())
    return "%s\n\u2014 %s %s\n" % (text, ORIGIN, line), vkey, key.hex()


def main():
    chains = {"acme": (0, bytes(32), 5), "beta": (1, sha(b"before"), 1), None: (0, bytes(32), 3)}
    chains.update({"tenant-%d" % n: (0, bytes(32), n + 1) for n in range(6)})
    tenants, leaves = [], []
    for tenant, (generation, before, count) in chains.items():
        hashes = [sha(b"record", (tenant or "").encode(), struct.pack(">I", n)) for n in range(count)]
        own, said = slot(tenant), state(generation, before, hashes)
        blind = hmac.new(SECRET, struct.pack(">Q", EPOCH) + own, hashlib.sha256).digest()[:16]
        hidden = sha(blind, said)
        leaves.append((own, hidden))
        tenants.append({"tenant": tenant, "slot": own.hex(), "state": said.hex(), "blind": blind.hex(), "hidden": hidden.hex(),
                        "hashes": [one.hex() for one in hashes], "root": tree(hashes).hex(),
                        "last_path": [one.hex() for one in inclusion(count - 1, hashes)]})
    for tenant, (own, _) in zip(tenants, leaves):
        tenant["way"] = way(own, leaves)
    entry = b"halod-epoch/v1\n" + struct.pack(">QQ", EPOCH, MILLIS) + trie(leaves)
    entries = [b"an entry before", b"another one", b"a third one", entry]
    text = "%s\n%d\n%s\n" % (ORIGIN, len(entries), base64.b64encode(tree(entries)).decode())
    note, vkey, pkcs8 = sign(text)
    print(json.dumps({"origin": ORIGIN, "secret": SECRET.hex(), "epoch": EPOCH, "millis": MILLIS, "tenants": tenants,
                      "map": trie(leaves).hex(), "entries": [one.hex() for one in entries], "entry_path":
                      [one.hex() for one in inclusion(3, entries)], "note": note, "vkey": vkey, "pkcs8": pkcs8}, indent=1))


if __name__ == "__main__":
    main()
