"""What the Python agents of the Langfuse tests do, whichever SDK tells of it."""

import json

USER, SESSION, TENANT = "user-4711", "sess-77", "acme-corp"
KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678"
EMAIL = "zoe.mueller@example.com"
PROMPT = [{"role": "user", "content": f"I am {EMAIL}, my key is {KEY}. Where is A-1042? 返金"}]
TOOLS = {"lookup_order": True, "search_kb": True, "issue_refund": False}
ERROR = f"PaymentError: card_not_refundable (key {KEY})"
DID = {"model.generate ok": 1, "model.generate error": 1, "lookup_order ok": 1, "search_kb ok": 1,
       "issue_refund error": 1, "helpfulness ok": 1, "agent.event ok": 1}


def report():
    print(json.dumps({"did": DID, "secrets": [KEY], "session": SESSION, "user": USER}))
