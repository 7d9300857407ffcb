"""Records each tool call and model call of the OpenAI Agents SDK, as it ends.

    agents.add_trace_processor(HalodRecorder(subject="acme-corp", token=TOKEN))

`halod token new --captured` makes a token whose records may say `captured`."""
import json, time, urllib.error, urllib.request

from agents.tracing import TracingProcessor


class HalodRecorder(TracingProcessor):
    def __init__(self, endpoint="http://127.0.0.1:4318", token=None, patience=30, **record):
        self.url, self.patience, self.record, self.sessions = endpoint + "/v1/records", patience, record, {}
        self.headers = {"content-type": "application/json", **({"authorization": "Bearer " + token} if token else {})}

    def send(self, record):
        request = urllib.request.Request(self.url, json.dumps(record, default=str).encode(), self.headers)
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return urllib.request.urlopen(request, timeout=self.patience).close()
            except (urllib.error.URLError, OSError) as error:  # 503, or halod is not there
                if getattr(error, "code", 503) != 503 or time.monotonic() > deadline:
                    raise RuntimeError(error.read().decode() if hasattr(error, "read") else error) from error
                time.sleep(1)

    def on_trace_start(self, trace):
        self.sessions[trace.trace_id] = trace.export().get("group_id") or trace.trace_id

    def on_trace_end(self, trace):
        self.sessions.pop(trace.trace_id, None)

    def on_span_end(self, span):
        data, agent = span.span_data, {"id": "openai-agents"}
        if data.type == "function":
            action = {"type": "tool_call", "category": "security", "tool": data.name, "input": read(data.input)}
            value = data.output
        elif data.type in ("generation", "response"):
            response = getattr(data, "response", None)
            agent["model"] = getattr(response, "model", None) or getattr(data, "model", None) or "unknown"
            action = {"type": "tool_call", "category": "privacy", "tool": "model.generate",
                      "authorization": {"scope": "model:openai"}, "input": data.input}
            value = [part.model_dump() for part in response.output] if response else getattr(data, "output", None)
        else:
            return
        outcome = {"error": str(value or json.dumps(span.error))} if span.error else {"value": value}
        self.send({"key": span.span_id, "session_id": self.sessions.get(span.trace_id, span.trace_id), **self.record,
                   "agent": agent, "action": action, "outcome": outcome,
                   "started_at": span.started_at, "ended_at": span.ended_at})

    def shutdown(self, *_): pass
    on_span_start = force_flush = shutdown


def read(text):
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
