"""An agent on the bare `openai` package, traced by LangWatch's SDK as its documentation shows."""

import json

import langwatch
from openai import OpenAI, RateLimitError
from opentelemetry import trace
from support_agent import (
    MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, offered, report, tracing)

BY_NAME = {function.__name__: langwatch.span(type="tool")(function) for function in TOOLS}


@langwatch.span(type="llm", name="chat")
def ask(client, model, messages, **more):
    langwatch.get_current_span().update(model="openai/" + model, input=messages)
    answer = client.chat.completions.create(model=model, messages=messages, **more)
    message, usage = answer.choices[0].message, answer.usage
    langwatch.get_current_span().update(
        model="openai/" + answer.model, output=message.content or message.model_dump_json(),
        metrics={"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens})
    return message


@langwatch.trace(name="SupportAgent", metadata={"thread_id": SESSION, "user_id": USER})
def turn(client):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    tools = [offered(function) for function in TOOLS]
    message = ask(client, MODEL, messages, tools=tools)
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        try:
            result = BY_NAME[call.function.name](**json.loads(call.function.arguments))
        except RuntimeError as error:
            result = str(error)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    ask(client, MODEL, messages, tools=tools)
    summary = [{"role": "user", "content": SUMMARISE}]
    ask(client, MODEL, summary)
    try:
        ask(client, REFUSED, summary)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def main():
    provider = tracing("http")
    langwatch.setup(api_key="sk-lw-FAKE", tracer_provider=provider, skip_open_telemetry_setup=True)
    turn(OpenAI(max_retries=0))
    report(trace.get_tracer_provider())


main()
