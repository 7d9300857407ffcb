"""An agent under Langfuse's SDK 2: decorators and the low-level client. LANGFUSE_HOST says where to."""

import os

os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-FAKE0000", LANGFUSE_SECRET_KEY="sk-lf-FAKE0000")

from langfuse import Langfuse
from langfuse_plan import EMAIL, ERROR, KEY, PROMPT, SESSION, TENANT, TOOLS, USER, report


def main():
    client = Langfuse(flush_at=3, flush_interval=0.2, max_retries=8)
    assert client.auth_check()
    trace = client.trace(name="SupportAgent", user_id=USER, session_id=SESSION, tags=["prod"],
                         metadata={"tenant": TENANT}, input={"q": "Zoë"})
    answer = trace.generation(name="draft", model="gpt-4o-mini", input=PROMPT, model_parameters={"max_tokens": 5})
    answer.end(output="on its way", usage={"input": 10, "output": 2, "unit": "TOKENS"})
    for name, works in TOOLS.items():
        call = trace.span(name=name, input={"order": "A-1042", "email": EMAIL, "api_key": KEY})
        call.end(output={"ok": True}) if works else call.end(level="ERROR", status_message=ERROR)
    failed = trace.generation(name="refused", model="gpt-4o-mini", input=PROMPT)
    failed.end(level="ERROR", status_message="429 rate_limit_exceeded")
    trace.event(name="handoff", input={"to": "human"})
    trace.score(name="helpfulness", value=0.9)
    trace.update(output="done")
    client.flush()
    client.shutdown()
    report()


main()
