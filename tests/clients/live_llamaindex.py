"""An agent on LlamaIndex, which tells of it by its own OpenTelemetry integration."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI
from llama_index.observability.otel import LlamaIndexOpenTelemetry
from openai import RateLimitError
from support_agent import MODEL, PROMPT, SUMMARISE, SYSTEM, TOOLS, report, tracing


async def work():
    llm = OpenAI(model=MODEL, api_base=os.environ["OPENAI_BASE_URL"], max_retries=0)
    agent = FunctionAgent(name="SupportAgent", tools=TOOLS, llm=llm, system_prompt=SYSTEM)
    await agent.run(PROMPT)
    for _ in llm.stream_complete(SUMMARISE):
        pass
    try:
        # It knows the models of OpenAI, and none that is refused by its name.
        await llm.acomplete(SUMMARISE + " fail 429")
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def main():
    provider = tracing("http")
    LlamaIndexOpenTelemetry(tracer_provider=provider).start_registering()
    asyncio.run(work())
    report(provider)


main()
