"""A tool loop on the bare `openai` package, watched by an official instrumentation of it.

    openai_tools.py grpc|http openai_v2|genai.openai

These instrumentations see model calls only: the spans around the tools are the agent's own, by the same conventions.
"""

import importlib
import json
import sys
import threading

from openai import OpenAI, RateLimitError
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, offered, report, tracing

BY_NAME = {function.__name__: function for function in TOOLS}
WHO = {"gen_ai.conversation.id": SESSION, "user.id": USER, "gen_ai.agent.name": "SupportAgent"}


def run_tool(tracer, call):
    name, arguments = call.function.name, call.function.arguments
    with tracer.start_as_current_span("execute_tool " + name, attributes={
            **WHO, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.call.arguments": arguments}) as span:
        result = BY_NAME[name](**json.loads(arguments))
        span.set_attribute("gen_ai.tool.call.result", result)
        return result


def turn(client, tracer):
    tools = [offered(function) for function in TOOLS]
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    message = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        try:
            result = run_tool(tracer, call)
        except RuntimeError as error:
            result = str(error)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    client.chat.completions.create(model=MODEL, messages=messages, tools=tools)


def events(protocol):
    """A logger provider over OTLP, set as the global one: contents may come as events beside the spans."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    logging = LoggerProvider()
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logging)
    return logging


def main(protocol, instrumentation):
    provider, logging = tracing(protocol), events(protocol)
    importlib.import_module("opentelemetry.instrumentation." + instrumentation).OpenAIInstrumentor().instrument()
    tracer = trace.get_tracer("acme.agent")
    client = OpenAI(max_retries=0)
    with tracer.start_as_current_span("invoke_agent SupportAgent", attributes={
            **WHO, "gen_ai.operation.name": "invoke_agent"}):
        turn(client, tracer)
    asked = [{"role": "user", "content": SUMMARISE}]
    for _ in client.chat.completions.create(model=MODEL, messages=asked, stream=True):
        pass
    try:
        client.chat.completions.create(model=REFUSED, messages=asked)
        raise AssertionError("not refused")
    except RateLimitError:
        pass
    # Side by side, as they are when each has its own timer.
    events_out = threading.Thread(target=logging.force_flush)
    events_out.start()
    provider.force_flush()
    events_out.join()
    logging.shutdown()
    report(provider)


main(*sys.argv[1:])
