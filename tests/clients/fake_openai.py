"""A fake of the OpenAI API on a free loopback port, which counts what it was asked.

Serves chat completions and responses (whole and streamed), embeddings and Anthropic's messages. Offered
tools that it knows, it asks for all of them, and answers once it has their results; a coding agent is
asked for one after the other (`fake_coding.py`). A model whose name contains
"fail-429" or a last message that contains "fail 429" is refused so; any other status likewise.

Run as a program, it prints its address, serves until its standard input ends, and prints what it
was asked, as JSON.
"""

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fake_coding import message, results, script, stream

# What the tests look for in the chains, to find it nowhere.
KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678"
PASSWORD = "FAKE-Kx7vQ2mZ9pLw4tRb"
ANSWER = "Order A-1042 for Zoë Müller (東京) is on its way."
ARGUMENTS = {
    "lookup_order": {"order": "A-1042"},
    "issue_refund": {"order": "A-1042", "amount": 129.5, "api_key": KEY, "password": PASSWORD},
}
CHAT_USAGE = {"prompt_tokens": 117, "completion_tokens": 42, "total_tokens": 159}
RESPONSE_USAGE = {
    "input_tokens": 117, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 42, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 159,
}


class Fake(ThreadingHTTPServer):
    """`with Fake() as fake:` serves at `fake.url`; `fake.asked` counts by (kind, status)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = Counter()
        self.url = "http://127.0.0.1:%d/v1" % self.server_port

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.number = "FAKE%04d" % sum(self.server.asked.values())
        if self.path.endswith("/chat/completions"):
            self.chat(asked)
        elif self.path.endswith("/responses"):
            self.respond(asked)
        elif self.path.endswith("/embeddings"):
            self.embeddings(asked)
        elif self.path.partition("?")[0].endswith("/messages"):
            self.message(asked)
        else:
            self.reply("other", 404, {"error": {"message": "not found", "type": "invalid_request_error"}})

    def chat(self, asked):
        kind = "stream" if asked.get("stream") else "chat"
        last = asked["messages"][-1]
        if self.refused(kind, asked["model"], last.get("content")):
            return
        base = {"id": "chatcmpl-" + self.number, "created": 1760000000, "model": answering(asked["model"])}
        offered = [tool["function"]["name"] for tool in asked.get("tools") or ()]
        calls = [] if last["role"] == "tool" else [
            {"id": "call_%s_%d" % (self.number, i), "type": "function",
             "function": {"name": name, "arguments": compact(ARGUMENTS[name])}}
            for i, name in enumerate(offered) if name in ARGUMENTS]
        finish = "tool_calls" if calls else "stop"
        if asked.get("stream"):
            return self.stream_chat(base, calls, finish)
        message = {"role": "assistant", "content": None if calls else ANSWER}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": finish}
        self.reply(kind, 200, {**base, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE})

    def stream_chat(self, base, calls, finish):
        def chunk(choices, **more):
            return {**base, "object": "chat.completion.chunk", "choices": choices, **more}

        if calls:
            deltas = [{"role": "assistant", "tool_calls": [{"index": i, **call}]} for i, call in enumerate(calls)]
        else:
            deltas = [{"role": "assistant", "content": word + " "} for word in ANSWER.split()]
        events = [chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
        events.append(chunk([{"index": 0, "delta": {}, "finish_reason": finish}]))
        events.append(chunk([], usage=CHAT_USAGE))
        body = "".join("data: %s\n\n" % json.dumps(event) for event in events) + "data: [DONE]\n\n"
        self.reply("stream", 200, body.encode(), "text/event-stream")

    def respond(self, asked):
        kind = "stream" if asked.get("stream") else "chat"
        given = asked["input"] if isinstance(asked["input"], list) else [{"content": asked["input"]}]
        if self.refused(kind, asked["model"], given[-1].get("content")):
            return
        offered = [tool.get("name") for tool in asked.get("tools") or ()]
        done = sum(item.get("type") == "function_call_output" for item in given)
        wanted = script(offered, KEY)[done:done + 1]
        if not wanted and given[-1].get("type") != "function_call_output":
            wanted = [(name, ARGUMENTS[name]) for name in offered if name in ARGUMENTS]
        calls = [
            {"type": "function_call", "id": "fc_%s_%d" % (self.number, i), "status": "completed",
             "call_id": "call_%s_%d" % (self.number, i), "name": name, "arguments": compact(arguments)}
            for i, (name, arguments) in enumerate(wanted)]
        text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": "msg_" + self.number, "role": "assistant", "status": "completed",
                   "content": [text]}
        answer = {
            "id": "resp_" + self.number, "object": "response", "created_at": 1760000000, "status": "completed",
            "model": answering(asked["model"]), "output": calls or [message], "usage": RESPONSE_USAGE,
            "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
            "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
        }
        if asked.get("stream"):
            return self.stream_response(answer)
        self.reply(kind, 200, answer)

    def stream_response(self, answer):
        begun = {**answer, "status": "in_progress", "output": [], "usage": None}
        events = [{"type": "response.created", "response": begun}]
        for i, item in enumerate(answer["output"]):
            here = {"output_index": i, "item_id": item["id"]}
            empty = {**item, "status": "in_progress", **({"content": []} if "content" in item else {"arguments": ""})}
            events.append({"type": "response.output_item.added", "output_index": i, "item": empty})
            if "content" in item:
                part = item["content"][0]
                here["content_index"] = 0
                events.append({"type": "response.content_part.added", **here, "part": {**part, "text": ""}})
                events += [{"type": "response.output_text.delta", **here, "delta": word + " ", "logprobs": []}
                           for word in part["text"].split()]
                events.append({"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []})
                events.append({"type": "response.content_part.done", **here, "part": part})
            else:
                arguments = {"arguments": item["arguments"]}
                events.append({"type": "response.function_call_arguments.delta", **here, "delta": item["arguments"]})
                events.append({"type": "response.function_call_arguments.done", **here, **arguments,
                               "name": item["name"]})
            events.append({"type": "response.output_item.done", "output_index": i, "item": item})
        events.append({"type": "response.completed", "response": answer})
        body = "".join("event: %s\ndata: %s\n\n" % (event["type"], json.dumps({**event, "sequence_number": n}))
                       for n, event in enumerate(events))
        self.reply("stream", 200, body.encode(), "text/event-stream")

    def message(self, asked):
        kind = "stream" if asked.get("stream") else "chat"
        if self.refused(kind, asked["model"], asked["messages"][-1]["content"]):
            return
        done = results(asked["messages"])
        calls = script([tool.get("name") for tool in asked.get("tools") or ()], KEY)[done:done + 1]
        answer = message(self.number, asked["model"], calls[0] if calls else None, ANSWER)
        if kind == "chat":
            return self.reply(kind, 200, answer)
        events = ["event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)) for event in stream(answer)]
        self.reply(kind, 200, "".join(events).encode(), "text/event-stream")

    def embeddings(self, asked):
        data = [{"object": "embedding", "index": i, "embedding": [0.5] * 8}
                for i in range(len(asked["input"]))]
        usage = {"prompt_tokens": 9, "total_tokens": 9}
        self.reply("embeddings", 200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})

    def refused(self, kind, model, content):
        """Refuses the call, if its model or its last message asks for that."""
        status = re.search(r"fail-(\d+)", model) or re.search(r"fail (\d+)", str(content))
        if status:
            error = {"message": "refused as asked", "type": "server_error", "code": None, "param": None}
            self.reply(kind, int(status[1]), {"error": error})
        return bool(status)

    def reply(self, kind, status, body, content_type="application/json"):
        self.server.asked["%s %d" % (kind, status)] += 1
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def answering(model):
    """The name under which a model answers."""
    return model + "-2024-07-18"


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def main():
    with Fake() as fake:
        print(fake.url, flush=True)
        sys.stdin.read()
        print(json.dumps(fake.asked))


if __name__ == "__main__":
    main()
