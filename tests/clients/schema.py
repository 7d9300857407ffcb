"""Holds config/halod.schema.json against halod: what halod takes it takes, and keys that halod refuses it refuses."""

import glob
import json
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

ROOT, HALOD = sys.argv[1], sys.argv[2]
schema = json.load(open(ROOT + "/config/halod.schema.json"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
printed = json.loads(subprocess.run([HALOD, "config", "schema"], capture_output=True, check=True).stdout)
assert printed == schema, "halod config schema prints another one"


def halod_takes(text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        out = subprocess.run([HALOD, "validate", "--offline", "--json", "--config", file.name], capture_output=True)
        return json.loads(out.stdout)["valid"]


files = [ROOT + "/config/halod.yaml"] + sorted(glob.glob(ROOT + "/config/examples/*.yaml"))
for file in files:
    text = open(file).read()
    errors = [error.message for error in validator.iter_errors(yaml.safe_load(text))]
    assert not errors, (file, errors)

right = [
    "",
    "log: { level: debug }",
    'log: { level: "${env:LEVEL:-info}" }',
    "receivers: { file_log/nginx: { include: [a] }, filelog: { include: [b] } }",
    "storage: { open_chains: auto }",
    "storage: { open_chains: 100, max_tenants: }",
    "shutdown_timeout: 1m30s",
    "redaction: { allow: [prod-eu1-9F3kQ7pX2mLw8ZtR, { regex: 'build-[0-9a-z]{24}' }], patterns: [{ name: badge, regex: b }] }",
    "receivers: { native: { tokens: { '%s': acme } } }" % ("a" * 64),
    "receivers: { otlp: { protocols: { http: { tls: { min_version: '1.3', cert_file: a, key_file: b } } } } }",
]
wrong = [
    "log: { levle: debug }",
    "log: { level: loud }",
    "nonsense: 1",
    "receivers: { nginx: { include: [a] } }",
    "receivers: { file_log/a/b: { include: [a] } }",
    "storage: { max_tenants: 0 }",
    "storage: { max_tenants: 1.5 }",
    "storage: { open_chains: some }",
    "shutdown_timeout: 30",
    "admin: { endpoint: { host: x } }",
    "records: { hash_only: maybe }",
    "redaction: { patterns: { name: x } }",
    "redaction: { patterns: [{ nmae: x }] }",
    "receivers: { otlp: { tee: { enpoint: x } } }",
]
for text, valid in [(text, True) for text in right] + [(text, False) for text in wrong]:
    assert halod_takes(text) == valid, ("halod", text)
    assert validator.is_valid(yaml.safe_load(text)) == valid, ("schema", text)

# Every key of the shipped file, spelt wrong, is refused by both.
shipped = yaml.safe_load(open(ROOT + "/config/halod.yaml"))


def keys(node, path=()):
    for name, below in (node or {}).items():
        yield path + (name,)
        if isinstance(below, dict):
            yield from keys(below, path + (name,))


FREE = re.compile(r"(keys|secrets|tokens|formats|fields|headers)$")
for path in keys(shipped):
    tree = value = {}
    for name in path[:-1]:
        value[name] = {}
        value = value[name]
    if path[:-1] and FREE.search(path[-2]):
        continue
    value[path[-1] + "x"] = None
    assert not validator.is_valid(tree), path
