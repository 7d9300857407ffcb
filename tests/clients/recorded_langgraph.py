"""A LangGraph agent with the recorder of the examples: recorded_langgraph.py ENDPOINT TOKEN EXAMPLES"""

import sys

sys.path.insert(0, sys.argv[3])

from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph_recorder import HalodRecorder
from openai import RateLimitError
from support_agent import MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, account


@wrap_tool_call
def answer_failures(request, handler):
    """The model hears of a failed tool, instead of the run ending there."""
    call = request.tool_call
    try:
        return handler(request)
    except RuntimeError as error:
        return ToolMessage(content=str(error), tool_call_id=call["id"], name=call["name"], status="error")


recorder = HalodRecorder(sys.argv[1], sys.argv[2], subject="acme-corp", session_id=SESSION)
watched = {"callbacks": [recorder]}
model = ChatOpenAI(model=MODEL, max_retries=0)
agent = create_agent(model, [tool(f) for f in TOOLS], system_prompt=SYSTEM, middleware=[answer_failures])
agent.invoke({"messages": [{"role": "user", "content": PROMPT}]}, config=watched)
for _ in model.stream(SUMMARISE, config=watched):
    pass
try:
    ChatOpenAI(model=REFUSED, max_retries=0).invoke(SUMMARISE, config=watched)
    raise AssertionError("not refused")
except RateLimitError:
    pass
account()
