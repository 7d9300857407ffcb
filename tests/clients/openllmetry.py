"""An agent on the `openai` package under traceloop-sdk's decorators: openllmetry.py grpc|http"""

import json
import sys

from openai import OpenAI, RateLimitError
from opentelemetry import trace
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, exporter, offered, report
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, tool, workflow
from traceloop.sdk.instruments import Instruments

BY_NAME = {function.__name__: tool(name=function.__name__)(function) for function in TOOLS}


@agent(name="SupportAgent")
def turn(client):
    tools = [offered(function) for function in TOOLS]
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    message = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        try:
            result = BY_NAME[call.function.name](**json.loads(call.function.arguments))
        except RuntimeError as error:
            result = str(error)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    client.chat.completions.create(model=MODEL, messages=messages, tools=tools)


@workflow(name="support")
def run(client):
    turn(client)
    asked = [{"role": "user", "content": SUMMARISE}]
    for _ in client.chat.completions.create(model=MODEL, messages=asked, stream=True):
        pass
    try:
        client.chat.completions.create(model=REFUSED, messages=asked)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def main(protocol):
    Traceloop.init(app_name="acme-support-agent", exporter=exporter(protocol), telemetry_enabled=False,
                   traceloop_sync_enabled=False, instruments={Instruments.OPENAI})
    Traceloop.set_association_properties({"session_id": SESSION, "user_id": USER})
    run(OpenAI(max_retries=0))
    report(trace.get_tracer_provider())


main(*sys.argv[1:])
