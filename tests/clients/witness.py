"""A witness, written from the texts of C2SP (tlog-witness, tlog-cosignature, tlog-checkpoint, signed-note) and RFC 9162, section
2.1.4.2, and from nothing of halod's. Python's standard library, and OpenSSL for Ed25519.

    witness.py DIR NAME ORIGIN+ID+KEY...

Prints its address and its verifier key, and serves until its standard input ends.
"""

import base64
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPENSSL = os.environ.get("OPENSSL", "openssl")
DASH = "\u2014 "


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def key_id(name, kind, public):
    return sha(name.encode(), b"\n", bytes([kind]), public)[:4]


def openssl(*arguments, **files):
    """Runs OpenSSL with contents as files; whether it succeeded, and the content of `out`."""
    with tempfile.TemporaryDirectory() as place:
        paths = {name: os.path.join(place, name) for name in [*files, "out"]}
        for name, content in files.items():
            with open(paths[name], "wb") as file:
                file.write(content)
        command = [OPENSSL] + [paths.get(word[1:], word) if word.startswith("@") else word for word in arguments]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        out = b""
        if os.path.exists(paths["out"]):
            with open(paths["out"], "rb") as file:
                out = file.read()
        return ran.returncode == 0, out


def verifies(public, message, signature):
    # SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4).
    spki = bytes.fromhex("302a300506032b6570032100") + public
    done, _ = openssl(
        "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "@key", "-rawin", "-in", "@message", "-sigfile",
        "@signature", key=spki, message=message, signature=signature,
    )
    return done


def make_key():
    done, private = openssl("genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", "@out")
    assert done
    done, public = openssl("pkey", "-inform", "DER", "-in", "@key", "-pubout", "-outform", "DER", "-out", "@out", key=private)
    assert done
    return private, public[-32:]


def sign(private, message):
    done, signature = openssl(
        "pkeyutl", "-sign", "-keyform", "DER", "-inkey", "@key", "-rawin", "-in", "@message", "-out", "@out",
        key=private, message=message,
    )
    assert done and len(signature) == 64
    return signature


def node(left, right):
    return sha(b"\1", left, right)


def consistent(first, first_hash, second, second_hash, path):
    """RFC 9162, section 2.1.4.2, step by step."""
    if first == second:
        return not path and first_hash == second_hash
    if not path:
        return False
    if first & (first - 1) == 0:
        path = [first_hash, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_hash and sr == second_hash and sn == 0


class Refused(Exception):
    def __init__(self, status, body=b"", kind="text/plain"):
        super().__init__(status)
        self.status, self.body, self.kind = status, body, kind


def number(text):
    if not text.isascii() or not text.isdigit() or str(int(text)) != text:
        raise Refused(400)
    return int(text)


class Witness:
    def __init__(self, directory, name, vkeys):
        self.directory, self.name, self.lock = directory, name, threading.Lock()
        self.private, self.public = make_key()
        self.logs = {}
        for vkey in vkeys:
            origin, _, key = vkey.split("+", 2)
            typed = base64.b64decode(key)
            assert typed[0] == 1
            self.logs.setdefault(origin, []).append(typed[1:])

    def vkey(self):
        typed = base64.b64encode(b"\4" + self.public).decode()
        return f"{self.name}+{key_id(self.name, 4, self.public).hex()}+{typed}"

    def path(self, origin):
        return os.path.join(self.directory, hashlib.sha256(origin.encode()).hexdigest())

    def known(self, origin):
        try:
            with open(self.path(origin), encoding="utf-8") as file:
                size, root = file.read().split()
                return int(size), base64.b64decode(root)
        except FileNotFoundError:
            return 0, sha()

    def signed(self, origin, text, lines):
        found = False
        for public in self.logs[origin]:
            for line in lines:
                name, encoded = line.removeprefix(DASH).rsplit(" ", 1)
                raw = base64.b64decode(encoded, validate=True)
                if (name, raw[:4]) != (origin, key_id(origin, 1, public)):
                    continue
                if not verifies(public, text.encode(), raw[4:]):
                    raise Refused(403)
                found = True
        if not found:
            raise Refused(403)

    def add_checkpoint(self, body):
        try:
            head, note = body.decode().split("\n\n", 1)
            text, signatures = note.rsplit("\n\n", 1)
        except ValueError as error:
            raise Refused(400) from error
        text += "\n"
        first, *proof = head.split("\n")
        if not first.startswith("old ") or len(proof) > 63:
            raise Refused(400)
        old, proof = number(first[4:]), [base64.b64decode(line) for line in proof]
        origin, size, root = text.split("\n")[:3]
        size, root = number(size), base64.b64decode(root)
        if origin not in self.logs:
            raise Refused(404)
        self.signed(origin, text, signatures.splitlines())
        if old > size:
            raise Refused(400)
        with self.lock:
            known, known_root = self.known(origin)
            if old != known:
                raise Refused(409, f"{known}\n".encode(), "text/x.tlog.size")
            if size == 0 and root != sha():
                raise Refused(422)
            if old == 0 and proof or old > 0 and not consistent(old, known_root, size, root, proof):
                raise Refused(422)
            with open(self.path(origin), "w", encoding="utf-8") as file:
                file.write(f"{size} {base64.b64encode(root).decode()}")
                file.flush()
                os.fsync(file.fileno())
            now = int(time.time())
            signature = sign(self.private, f"cosignature/v1\ntime {now}\n{text}".encode())
            raw = key_id(self.name, 4, self.public) + struct.pack(">Q", now) + signature
            return f"{DASH}{self.name} {base64.b64encode(raw).decode()}\n".encode()


def main():
    directory, name, *vkeys = sys.argv[1:]
    witness = Witness(directory, name, vkeys)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                if self.path != "/add-checkpoint":
                    raise Refused(404)
                status, answer, kind = 200, witness.add_checkpoint(body), "text/plain"
            except Refused as refused:
                status, answer, kind = refused.status, refused.body, refused.kind
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"127.0.0.1:{server.server_port}")
    print(witness.vkey(), flush=True)
    sys.stdin.read()


main()
