"""Says of each record of a JSONL file whether a JSON Schema lets it pass: schema_check.py SCHEMA RECORDS"""

import json
import sys

from jsonschema import Draft202012Validator

schema = json.load(open(sys.argv[1], encoding="utf-8"))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for line in open(sys.argv[2], encoding="utf-8"):
    print("valid" if validator.is_valid(json.loads(line)) else "invalid")
