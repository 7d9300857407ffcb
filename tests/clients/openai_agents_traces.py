"""An agent on the OpenAI Agents SDK with its own tracing, whose endpoint is the argument and whose key TRACING_KEY is."""

import asyncio
import json
import os
import sys

from agents import (Agent, RunConfig, RunHooks, Runner, flush_traces, function_tool, set_default_openai_client,
                    set_tracing_export_api_key)
from agents.tracing.processors import default_exporter
from openai import AsyncOpenAI, RateLimitError
from support_agent import KEY, MODEL, PASSWORD, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, ran


class InTwoRequests(RunHooks):
    """What has ended before the first tool, and the trace, is sent before the rest."""

    async def on_tool_start(self, *_):
        flush_traces()


async def run():
    set_default_openai_client(AsyncOpenAI(max_retries=0), use_for_tracing=False)
    if "TRACING_KEY" in os.environ:
        set_tracing_export_api_key(os.environ["TRACING_KEY"])
    settings = RunConfig(workflow_name="support", group_id=SESSION,
                         trace_metadata={"tenant": "acme-corp", "user_id": USER})
    agent = Agent(name="SupportAgent", instructions=SYSTEM, tools=[function_tool(f) for f in TOOLS], model=MODEL)
    await Runner.run(agent, PROMPT, run_config=settings, hooks=InTwoRequests())
    plain = Agent(name="Summariser", model=MODEL)
    async for _ in Runner.run_streamed(plain, SUMMARISE, run_config=settings).stream_events():
        pass
    try:
        await Runner.run(Agent(name="Summariser", model=REFUSED), SUMMARISE, run_config=settings)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def main(endpoint):
    default_exporter().endpoint = endpoint
    asyncio.run(run())
    flush_traces()
    print(json.dumps({"ran": ran, "session": SESSION, "user": USER, "secrets": [KEY, PASSWORD]}))


main(*sys.argv[1:])
