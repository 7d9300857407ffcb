"""A support agent on the real `openai` package, watched by opentelemetry-instrumentation-openai-v2.

    openai_agent.py grpc|http HOST:PORT

Talks to a fake API. Prints what that API was asked and what was exported, as JSON.
"""

import sys

from exporting import Kept, exporter, finish, provider
from fake_openai import Fake
from openai import APIStatusError, OpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

MODEL = "gpt-4o-mini"
TOOL = {"type": "function", "function": {
    "name": "lookup_order",
    "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
}}


def turn(client, tracer):
    """A model call that asks for a tool, the tool, the model's answer; returns the tool calls made."""
    messages = [{"role": "user", "content": "Where is order A-1042? I am zoe.mueller@example.com"}]
    message = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL]).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        with tracer.start_as_current_span("execute_tool " + call.function.name, attributes={
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.function.name,
                "gen_ai.tool.call.id": call.id, "gen_ai.tool.call.arguments": call.function.arguments}):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "shipped"})
    client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    return len(message.tool_calls)


def main(protocol, endpoint):
    kept = Kept(exporter(protocol, endpoint), "acme-corp")
    tracing = provider(kept, **{"tenant.id": "acme-corp"})
    trace.set_tracer_provider(tracing)
    OpenAIInstrumentor().instrument()
    tools = 0
    with Fake() as fake:
        client = OpenAI(base_url=fake.url, api_key="sk-FAKE", max_retries=0)
        for _ in range(3):
            tools += turn(client, tracing.get_tracer("acme.agent"))
        for chunk in client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Summarise."}], stream=True,
                stream_options={"include_usage": True}):
            del chunk
        client.embeddings.create(model="text-embedding-3-small", input=["refund", "Rückerstattung"])
        for status in (429, 500):
            try:
                client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "fail %d please" % status}])
            except APIStatusError as error:
                assert error.status_code == status, error
        asked = dict(fake.asked)
    tracing.force_flush()
    tracing.shutdown()
    finish([kept], asked=asked, tools=tools)


main(*sys.argv[1:])
