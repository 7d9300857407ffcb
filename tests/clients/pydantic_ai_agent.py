"""A Pydantic AI agent with its own instrumentation: pydantic_ai_agent.py grpc|http"""

import asyncio
import sys

from openai import AsyncOpenAI
from pydantic_ai import Agent, InstrumentationSettings, ModelHTTPError, ModelRetry
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, issue_refund, lookup_order, report, tracing


def refund(order: str, amount: float, api_key: str, password: str) -> str:
    """Pay an order back; the model hears of a failure, instead of the run ending there."""
    try:
        return issue_refund(order, amount, api_key, password)
    except RuntimeError as error:
        raise ModelRetry(str(error)) from error


def model(name):
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=AsyncOpenAI(max_retries=0)))


async def run():
    agent = Agent(model(MODEL), name="SupportAgent", instructions=SYSTEM)
    agent.tool_plain(lookup_order)
    agent.tool_plain(refund, name="issue_refund")
    await agent.run(PROMPT, conversation_id=SESSION)
    plain = Agent(model(MODEL), name="Summariser")
    async with plain.run_stream(SUMMARISE, conversation_id=SESSION) as streamed:
        async for _ in streamed.stream_text():
            pass
    try:
        await Agent(model(REFUSED), name="Summariser").run(SUMMARISE, conversation_id=SESSION)
        raise AssertionError("not refused")
    except ModelHTTPError as error:
        assert error.status_code == 429, error


def main(protocol):
    provider = tracing(protocol)
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    asyncio.run(run())
    report(provider)


main(*sys.argv[1:])
