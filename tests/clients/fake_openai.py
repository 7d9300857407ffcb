"""A fake of the OpenAI API on a free loopback port, which counts what it was asked.

Serves chat completions (whole and streamed, with a tool call when tools are offered and none was
answered yet) and embeddings. A user message that contains "fail 429" or "fail 500" is refused so.
"""

import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 117, "completion_tokens": 42, "total_tokens": 159}
ANSWER = "Order A-1042 for Zoë Müller (東京) is on its way."
CALL = {
    "id": "call_FAKE0001",
    "type": "function",
    "function": {"name": "lookup_order", "arguments": '{"order":"A-1042"}'},
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
        if self.path.endswith("/chat/completions"):
            self.chat(asked)
        elif self.path.endswith("/embeddings"):
            self.embeddings(asked)
        else:
            self.reply("other", 404, {"error": {"message": "not found", "type": "invalid_request_error"}})

    def chat(self, asked):
        kind = "stream" if asked.get("stream") else "chat"
        messages = asked["messages"]
        refusal = re.search(r"fail (\d+)", str(messages[-1].get("content")))
        if refusal:
            error = {"message": "refused as asked", "type": "server_error", "code": None}
            return self.reply(kind, int(refusal[1]), {"error": error})
        base = {"id": "chatcmpl-FAKE%04d" % sum(self.server.asked.values()), "created": 1760000000,
                "model": asked["model"] + "-2024-07-18"}
        calls = [CALL] if asked.get("tools") and messages[-1]["role"] != "tool" else None
        if asked.get("stream"):
            return self.stream(base)
        message = {"role": "assistant", "content": None if calls else ANSWER}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        self.reply(kind, 200, {**base, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    def stream(self, base):
        def chunk(choices, **more):
            return {**base, "object": "chat.completion.chunk", "choices": choices, **more}

        events = [chunk([{"index": 0, "delta": {"content": word + " "}, "finish_reason": None}])
                  for word in ANSWER.split()]
        events.append(chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        events.append(chunk([], usage=USAGE))
        body = "".join("data: %s\n\n" % json.dumps(event) for event in events) + "data: [DONE]\n\n"
        self.reply("stream", 200, body.encode(), "text/event-stream")

    def embeddings(self, asked):
        data = [{"object": "embedding", "index": i, "embedding": [0.5] * 8}
                for i in range(len(asked["input"]))]
        usage = {"prompt_tokens": 9, "total_tokens": 9}
        self.reply("embeddings", 200, {"object": "list", "data": data, "model": asked["model"], "usage": usage})

    def reply(self, kind, status, body, content_type="application/json"):
        self.server.asked["%s %d" % (kind, status)] += 1
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
