"""An agent on the OpenAI Agents SDK, watched by OpenInference: openai_agents.py grpc|http"""

import asyncio
import sys

from agents import Agent, RunConfig, Runner, function_tool, set_default_openai_client
from openai import AsyncOpenAI, RateLimitError
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, report, tracing


async def run():
    set_default_openai_client(AsyncOpenAI(max_retries=0), use_for_tracing=False)
    settings = RunConfig(workflow_name="support", group_id=SESSION)
    agent = Agent(name="SupportAgent", instructions=SYSTEM, tools=[function_tool(f) for f in TOOLS], model=MODEL)
    await Runner.run(agent, PROMPT, run_config=settings)
    plain = Agent(name="Summariser", model=MODEL)
    async for _ in Runner.run_streamed(plain, SUMMARISE, run_config=settings).stream_events():
        pass
    try:
        await Runner.run(Agent(name="Summariser", model=REFUSED), SUMMARISE, run_config=settings)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def main(protocol):
    provider = tracing(protocol)
    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    with using_attributes(session_id=SESSION, user_id=USER):
        asyncio.run(run())
    report(provider)


main(*sys.argv[1:])
