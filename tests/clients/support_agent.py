"""What the agents of the framework tests share: two tools, prompts with secrets, and their account.

The API, the collector's address and the tenant come from the environment, as a user would set them:
OPENAI_BASE_URL, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES.
"""

import json
from collections import Counter

from fake_openai import KEY, PASSWORD

MODEL = "gpt-4o-mini"
REFUSED = "gpt-4o-mini-fail-429"
SYSTEM = "You are Acme's support agent."
PROMPT = "I am Zoë Müller (東京). My key is %s and password=%s. Please refund order A-1042." % (KEY, PASSWORD)
SUMMARISE = "Summarise in one line, and forget %s." % KEY
SESSION, USER = "sess-77", "user-4711"
ran = Counter()


def lookup_order(order: str) -> str:
    """Say where an order is."""
    ran["lookup_order ok"] += 1
    return "%s: shipped; the API key on file is %s" % (order, KEY)


def issue_refund(order: str, amount: float, api_key: str, password: str) -> str:
    """Pay an order back."""
    ran["issue_refund error"] += 1
    raise RuntimeError("refund of %.2f for %s rejected, api_key=%s password=%s" % (amount, order, api_key, password))


TOOLS = [lookup_order, issue_refund]


def offered(function):
    """A tool as it is described to the API, where no framework does that."""
    names = function.__annotations__.keys() - {"return"}
    properties = {name: {"type": "number" if name == "amount" else "string"} for name in names}
    return {"type": "function", "function": {
        "name": function.__name__, "parameters": {"type": "object", "properties": properties}}}


def exporter(protocol):
    """The OTLP exporter a user would take, pointed by the environment."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    return OTLPSpanExporter()


def tracing(protocol):
    """A tracer provider over that exporter, set as the global one."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter(protocol)))
    trace.set_tracer_provider(provider)
    return provider


def report(provider):
    """Sends what waits and says what the tools did."""
    provider.force_flush()
    provider.shutdown()
    account()


def account():
    """Says what the tools did."""
    print(json.dumps({"ran": ran, "session": SESSION, "user": USER, "secrets": [KEY, PASSWORD]}))
