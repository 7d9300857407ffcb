"""What a coding agent is asked to do by the fake API: one tool at a time, known by the tools it offers.

`script(names)` is what to ask an agent for that offers tools of these names; nothing of one that is no
coding agent. Anthropic's answers are made here as well: only Claude Code asks for them.
"""

import json

LOOK = "echo 'A-1042: shipped to Zoë Müller (東京)'"


def script(names, key):
    """(tool, arguments) in order: one that comes off, and one or two that fail."""
    refuse = "API_KEY=%s; echo 'refund rejected' >&2; exit 2" % key
    if "Bash" in names:
        return [
            ("Bash", {"command": LOOK, "description": "Say where the order is"}),
            ("Bash", {"command": refuse, "description": "Pay the order back"}),
            ("Read", {"file_path": "/nonexistent/order-A-1042.txt"}),
        ]
    if "exec_command" in names:
        return [("exec_command", {"cmd": LOOK}), ("exec_command", {"cmd": refuse})]
    return []


def results(messages):
    """How many tools have answered in a conversation with Anthropic's API."""
    contents = [message["content"] for message in messages if isinstance(message["content"], list)]
    return sum(part.get("type") == "tool_result" for content in contents for part in content)


def message(number, model, call, answer):
    """An answer of Anthropic's API that asks for `call`, or says `answer`."""
    if call:
        name, given = call
        content = [{"type": "tool_use", "id": "toolu_" + number, "name": name, "input": given}]
    else:
        content = [{"type": "text", "text": answer}]
    usage = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 17, "output_tokens": 42}
    return {"id": "msg_" + number, "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None, "usage": usage}


def stream(whole):
    """The same, as the events of a stream."""
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    for index, part in enumerate(whole["content"]):
        if part["type"] == "text":
            empty, delta = {**part, "text": ""}, {"type": "text_delta", "text": part["text"]}
        else:
            given = json.dumps(part["input"])
            empty, delta = {**part, "input": {}}, {"type": "input_json_delta", "partial_json": given}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": whole["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}
