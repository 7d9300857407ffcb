"""A LangChain agent traced by LangSmith's own SDK, which only the environment configures.

    langsmith_agent.py invoke|ainvoke|traceable

LANGSMITH_TRACING=true and LANGSMITH_ENDPOINT say that and where to. `traceable` is a tool loop on the bare
`openai` package, with the SDK's decorator and wrapper.
"""

import asyncio
import json
import os
import sys

from openai import OpenAI, RateLimitError
from support_agent import KEY, MODEL, PASSWORD, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, offered, ran

TENANT = "acme-corp"
WHO = {"thread_id": SESSION, "user_id": USER, "tenant": TENANT}


def agent():
    from langchain.agents import create_agent
    from langchain.agents.middleware import wrap_tool_call
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import tool

    def told(request, error):
        """The model hears of a failed tool, instead of the run ending there."""
        call = request.tool_call
        return ToolMessage(content=str(error), tool_call_id=call["id"], name=call["name"], status="error")

    @wrap_tool_call
    def answer_failures(request, handler):
        try:
            return handler(request)
        except RuntimeError as error:
            return told(request, error)

    @wrap_tool_call
    async def answer_async_failures(request, handler):
        try:
            return await handler(request)
        except RuntimeError as error:
            return told(request, error)

    from langchain_openai import ChatOpenAI

    how = answer_async_failures if sys.argv[1] == "ainvoke" else answer_failures
    model = ChatOpenAI(model=MODEL, max_retries=0)
    built = create_agent(model, [tool(f) for f in TOOLS], system_prompt=SYSTEM, middleware=[how], name="SupportAgent")
    return built, model, ChatOpenAI(model=REFUSED, max_retries=0)


CONFIG = {"metadata": WHO, "tags": ["prod"]}
ASKED = {"messages": [{"role": "user", "content": PROMPT}]}


def invoke():
    support, model, refused = agent()
    support.invoke(ASKED, config=CONFIG)
    for _ in model.stream(SUMMARISE, config=CONFIG):
        pass
    try:
        refused.invoke(SUMMARISE, config=CONFIG)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


async def ainvoke():
    support, model, refused = agent()
    await support.ainvoke(ASKED, config=CONFIG)
    async for _ in model.astream(SUMMARISE, config=CONFIG):
        pass
    try:
        await refused.ainvoke(SUMMARISE, config=CONFIG)
        raise AssertionError("not refused")
    except RateLimitError:
        pass


def decorated():
    """The same on the bare package."""
    from langsmith import traceable, tracing_context
    from langsmith.wrappers import wrap_openai

    client = wrap_openai(OpenAI(max_retries=0))
    by_name = {function.__name__: traceable(run_type="tool")(function) for function in TOOLS}

    @traceable(name="SupportAgent")
    def turn(prompt):
        tools = [offered(function) for function in TOOLS]
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
        message = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            try:
                result = by_name[call.function.name](**json.loads(call.function.arguments))
            except RuntimeError as error:
                result = str(error)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message.content

    asked = [{"role": "user", "content": SUMMARISE}]
    with tracing_context(metadata=WHO, tags=["prod"]):
        turn(PROMPT)
        for _ in client.chat.completions.create(model=MODEL, messages=asked, stream=True,
                                                stream_options={"include_usage": True}):
            pass
        try:
            client.chat.completions.create(model=REFUSED, messages=asked)
            raise AssertionError("not refused")
        except RateLimitError:
            pass


def main(how):
    if how == "invoke":
        invoke()
    elif how == "ainvoke":
        asyncio.run(ainvoke())
    else:
        decorated()
    if how != "traceable":
        from langchain_core.tracers.langchain import wait_for_all_tracers
        wait_for_all_tracers()
    from langsmith.run_trees import get_cached_client
    get_cached_client().flush()
    if os.environ.get("LANGSMITH_OTEL_ENABLED"):
        from opentelemetry import trace
        trace.get_tracer_provider().force_flush()
    print(json.dumps({"ran": ran, "session": SESSION, "user": USER, "secrets": [KEY, PASSWORD]}))


main(*sys.argv[1:])
