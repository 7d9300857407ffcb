"""An agent on the OpenAI Agents SDK with the recorder of the examples: recorded_openai_agents.py ENDPOINT TOKEN EXAMPLES"""

import asyncio
import sys

sys.path.insert(0, sys.argv[3])

from agents import Agent, RunConfig, Runner, function_tool, set_default_openai_client, set_trace_processors
from openai import AsyncOpenAI, RateLimitError
from openai_agents_recorder import HalodRecorder
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, account


async def run():
    set_default_openai_client(AsyncOpenAI(max_retries=0), use_for_tracing=False)
    # Instead of OpenAI's own, which this machine can't reach.
    set_trace_processors([HalodRecorder(sys.argv[1], sys.argv[2], subject="acme-corp")])
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


asyncio.run(run())
account()
