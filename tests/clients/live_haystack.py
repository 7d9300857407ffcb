"""An agent on Haystack, traced by its own OpenTelemetry integration."""

import os

from haystack import Pipeline, tracing as haystack_tracing
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace
from support_agent import MODEL, PROMPT, REFUSED, SUMMARISE, SYSTEM, TOOLS, report, tracing


def generator(model, **more):
    return OpenAIChatGenerator(model=model, api_base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, **more)


def pipeline(name, component):
    line = Pipeline()
    line.add_component(name, component)
    return line


def main():
    provider = tracing("http")
    haystack_tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("haystack")))
    haystack_tracing.tracer.is_content_tracing_enabled = True
    tools = [create_tool_from_function(function) for function in TOOLS]
    agent = Agent(chat_generator=generator(MODEL), tools=tools, system_prompt=SYSTEM)
    pipeline("agent", agent).run({"agent": {"messages": [ChatMessage.from_user(PROMPT)]}})
    summary = {"llm": {"messages": [ChatMessage.from_user(SUMMARISE)]}}
    pipeline("llm", generator(MODEL, streaming_callback=lambda chunk: None)).run(summary)
    try:
        pipeline("llm", generator(REFUSED)).run(summary)
        raise AssertionError("not refused")
    except Exception as error:
        assert "429" in str(error), error
    report(provider)


main()
