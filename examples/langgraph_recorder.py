"""Records each tool call and model call of LangGraph and LangChain, where it is made.

    agent.invoke(state, config={"callbacks": [HalodRecorder(subject="acme-corp", token=TOKEN)]})

`halod token new --captured` makes a token whose records may say `captured`."""
import json, time, urllib.error, urllib.request
from datetime import datetime, timezone

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd


class HalodRecorder(BaseCallbackHandler):
    run_inline = raise_error = True  # a call's record is on disk before the agent goes on, or the agent stops

    def __init__(self, endpoint="http://127.0.0.1:4318", token=None, patience=30, **record):
        self.url, self.patience, self.record, self.begun = endpoint + "/v1/records", patience, record, {}
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

    def start(self, run_id, metadata, action, model=None):
        session = (metadata or {}).get("thread_id")
        self.begun[run_id] = {"key": str(run_id), **({"session_id": session} if session else {}), **self.record,
                              "agent": {"id": "langgraph", "model": model} if model else {"id": "langgraph"},
                              "started_at": datetime.now(timezone.utc).isoformat(), "action": action}

    def end(self, run_id, outcome):
        self.send({**self.begun.pop(run_id), "ended_at": datetime.now(timezone.utc).isoformat(), "outcome": outcome})

    def on_tool_start(self, serialized, input_str, *, run_id, metadata=None, inputs=None, **_):
        self.start(run_id, metadata, {"type": "tool_call", "category": "security", "tool": serialized["name"],
                                      "input": input_str if inputs is None else inputs})

    def on_tool_end(self, output, *, run_id, **_):
        self.end(run_id, {"value": getattr(output, "content", output)})

    def on_chat_model_start(self, serialized, messages, *, run_id, metadata=None, **_):
        said = metadata or {}
        action = {"type": "tool_call", "category": "privacy", "tool": "model.generate", "input": dumpd(messages),
                  "authorization": {"scope": "model:%s" % said.get("ls_provider", "unknown")}}
        self.start(run_id, metadata, action, said.get("ls_model_name"))

    def on_llm_end(self, response, *, run_id, **_):
        self.end(run_id, {"value": [part.text for answers in response.generations for part in answers]})

    def on_llm_error(self, error, *, run_id, **_):
        self.end(run_id, {"error": "%s: %s" % (type(error).__name__, error)})

    on_tool_error = on_llm_error
