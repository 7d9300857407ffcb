"""A LangChain agent watched by OpenInference: openinference_langchain.py grpc|http"""

import sys

from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import RateLimitError
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, report, tracing


@wrap_tool_call
def answer_failures(request, handler):
    """The model hears of a failed tool, instead of the run ending there."""
    call = request.tool_call
    try:
        return handler(request)
    except RuntimeError as error:
        return ToolMessage(content=str(error), tool_call_id=call["id"], name=call["name"], status="error")


def main(protocol):
    provider = tracing(protocol)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    model = ChatOpenAI(model=MODEL, max_retries=0)
    agent = create_agent(model, [tool(f) for f in TOOLS], system_prompt=SYSTEM,
                         middleware=[answer_failures], name="SupportAgent")
    with using_attributes(session_id=SESSION, user_id=USER):
        agent.invoke({"messages": [{"role": "user", "content": PROMPT}]})
        for _ in model.stream(SUMMARISE):
            pass
        try:
            ChatOpenAI(model=REFUSED, max_retries=0).invoke(SUMMARISE)
            raise AssertionError("not refused")
        except RateLimitError:
            pass
    report(provider)


main(*sys.argv[1:])
