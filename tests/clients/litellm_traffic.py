"""An agent on the `openai` package behind a LiteLLM proxy, at OPENAI_BASE_URL."""

import json

from openai import BadRequestError, OpenAI, RateLimitError
from support_agent import KEY, MODEL, PASSWORD, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, offered, ran

BY_NAME = {function.__name__: function for function in TOOLS}


def main():
    client = OpenAI(max_retries=0)
    tools = [offered(function) for function in TOOLS]

    def ask(model, messages, **more):
        return client.chat.completions.create(model=model, messages=messages, user=USER,
                                              extra_body={"litellm_session_id": SESSION}, **more)

    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    message = ask(MODEL, messages, tools=tools).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        try:
            result = BY_NAME[call.function.name](**json.loads(call.function.arguments))
        except RuntimeError as error:
            result = str(error)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    ask(MODEL, messages, tools=tools)
    for _ in ask(MODEL, [{"role": "user", "content": SUMMARISE}], stream=True):
        pass
    client.embeddings.create(model="text-embedding-3-small", input=["refund", "Rückerstattung"])
    try:
        ask(REFUSED, [{"role": "user", "content": SUMMARISE}])
        raise AssertionError("not refused")
    except RateLimitError:
        pass
    try:
        # The proxy refuses it before any model is asked.
        ask("no-such-model", [{"role": "user", "content": SUMMARISE}])
        raise AssertionError("not refused")
    except BadRequestError:
        pass
    print(json.dumps({"ran": ran, "session": SESSION, "user": USER, "secrets": [KEY, PASSWORD]}))


main()
