"""An agent on the LiteLLM library, watched by a callback of its own: litellm_library.py generic_api|otel

What LiteLLM logs while a batch of it is on its way is dropped by LiteLLM. So the test sets its
flush interval far away, and everything is sent at once, in the end.
"""

import asyncio
import json
import sys

import litellm
from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
from support_agent import KEY, MODEL, PASSWORD, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, TOOLS, USER, offered, ran

BY_NAME = {function.__name__: function for function in TOOLS}


def call(model, messages, **more):
    return litellm.acompletion(model="openai/" + model, messages=messages, user=USER, litellm_session_id=SESSION,
                               num_retries=0, max_retries=0, **more)


async def turn():
    tools = [offered(function) for function in TOOLS]
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    message = (await call(MODEL, messages, tools=tools)).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for asked in message.tool_calls:
        try:
            result = BY_NAME[asked.function.name](**json.loads(asked.function.arguments))
        except RuntimeError as error:
            result = str(error)
        messages.append({"role": "tool", "tool_call_id": asked.id, "content": result})
    await call(MODEL, messages, tools=tools)


async def flush():
    # A stream's call is handed to the worker a moment after its last chunk.
    await asyncio.sleep(2)
    await GLOBAL_LOGGING_WORKER.flush()
    for logger in litellm.logging_callback_manager.get_custom_loggers_for_type(GenericAPILogger):
        await logger.flush_queue()


async def main(callback):
    litellm.callbacks = [callback]
    await turn()
    async for _ in await call(MODEL, [{"role": "user", "content": SUMMARISE}], stream=True,
                              stream_options={"include_usage": True}):
        pass
    await litellm.aembedding(model="openai/text-embedding-3-small", input=["refund", "Rückerstattung"])
    try:
        await call(REFUSED, [{"role": "user", "content": SUMMARISE}])
        raise AssertionError("not refused")
    except litellm.RateLimitError:
        pass
    await flush()
    if callback == "otel":
        from opentelemetry import trace
        trace.get_tracer_provider().force_flush()
    print(json.dumps({"ran": ran, "session": SESSION, "user": USER, "secrets": [KEY, PASSWORD]}))


asyncio.run(main(*sys.argv[1:]))
