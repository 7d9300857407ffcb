"""Answers, a line of JSON each, what the reference does with each line of JSON on standard input.

A line is [kind, value]. For "text": its masks with and without the entropy rule, the same masked again until
nothing changes, its findings, and their samples as they are. For "value": the summaries of an input (as JSON, and as
Python writes it) and an outcome before they are cut, the hash, the findings.
"""

import json
import sys

from halo_record import input_hash, redact
from halo_record.capture import _extract_text

WINDOW = 8192


def settled(mask, text):
    for _ in range(8):
        again = mask(text)
        if again == text:
            break
        text = again
    return text


def window(text):
    if len(text) <= WINDOW:
        return text
    head = text[:WINDOW]
    at = max(head.rfind(" "), head.rfind("\n"), head.rfind("\t"))
    return head[:at] if at > WINDOW // 2 else head


def found(findings):
    return [[f["type"], f["severity"], redact.redact_text(f["sample"])] for f in findings]


def text(value):
    full, named = redact.redact_text(value), redact.mask_known_secrets(value)
    return {
        "text": full,
        "text_settled": settled(redact.redact_text, full),
        "named": named,
        "named_settled": settled(redact.mask_known_secrets, named),
        "findings": found(redact.scan(value)),
        "samples": [f["sample"] for f in redact.scan(value)],
    }


def value(value):
    redacted = redact.redact_fields(value)
    shown = redacted if isinstance(redacted, str) else json.dumps(redacted, separators=(",", ":"), ensure_ascii=False)
    given = redact.mask_known_secrets(window(shown))
    came = redact.redact_text(window(_extract_text(value)))
    return {
        "literal": str(redacted),
        "input": given,
        "input_settled": settled(redact.mask_known_secrets, given),
        "outcome": came,
        "outcome_settled": settled(redact.redact_text, came),
        "hash": input_hash(value),
        "findings": found(redact.scan_fields(value)),
    }


def main():
    for line in sys.stdin:
        kind, given = json.loads(line)
        print(json.dumps(text(given) if kind == "text" else value(given)))


main()
