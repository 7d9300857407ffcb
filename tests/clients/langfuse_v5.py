"""An agent under Langfuse's current SDK, which sends spans over OTLP. LANGFUSE_BASE_URL says where to, SECRET with which
secret key."""

import os

os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-FAKE0000", LANGFUSE_SECRET_KEY=os.environ.get("SECRET", "sk-lf-FAKE0000"))

from langfuse import get_client, propagate_attributes
from langfuse_plan import EMAIL, ERROR, KEY, PROMPT, SESSION, TENANT, TOOLS, USER, report


def main():
    client = get_client()
    assert client.auth_check()
    with propagate_attributes(user_id=USER, session_id=SESSION, tags=["prod"], metadata={"tenant": TENANT}):
        with client.start_as_current_observation(name="SupportAgent", as_type="agent", input={"q": "Zoë"}) as agent:
            with client.start_as_current_observation(name="draft", as_type="generation", model="gpt-4o-mini",
                                                     input=PROMPT) as answer:
                answer.update(output="on its way", usage_details={"input": 10, "output": 2})
            for name, works in TOOLS.items():
                arguments = {"order": "A-1042", "email": EMAIL, "api_key": KEY}
                with client.start_as_current_observation(name=name, as_type="tool", input=arguments) as call:
                    call.update(output={"ok": True}) if works else call.update(level="ERROR", status_message=ERROR)
            with client.start_as_current_observation(name="refused", as_type="generation", model="gpt-4o-mini",
                                                     input=PROMPT) as failed:
                failed.update(level="ERROR", status_message="429 rate_limit_exceeded")
            client.create_event(name="handoff", input={"to": "human"})
            agent.score(name="helpfulness", value=0.9)
    client.flush()
    client.shutdown()
    report()


main()
