"""An agent's spans through the real Python OTLP exporter; prints an account of them as JSON.

    otlp_sender.py grpc|http HOST:PORT none|gzip

Three tenants, one by each way of naming one: resource attribute, span attribute, header. A fourth
sender names none. Everything is sent twice.
"""

import sys

from exporting import Kept, exporter, finish, provider
from opentelemetry.trace import Status, StatusCode

TURNS = 40


def turn(tracer, n, more):
    """One agent turn: a boundary, a model call, a tool call (every fifth fails), a database query."""
    with tracer.start_as_current_span("invoke_agent support", attributes={
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", **more}):
        with tracer.start_as_current_span("chat gpt-4o-mini", attributes={
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini", "gen_ai.conversation.id": "conv-%d" % n,
                "gen_ai.usage.input_tokens": 117, "gen_ai.usage.output_tokens": 42, **more}):
            pass
        with tracer.start_as_current_span("execute_tool lookup_order", attributes={
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup_order",
                "gen_ai.tool.call.id": "call_%d" % n,
                "gen_ai.tool.call.arguments": '{"order":"A-%d"}' % n, **more}) as span:
            if n % 5 == 0:
                span.set_attribute("error.type", "TimeoutError")
                span.set_status(Status(StatusCode.ERROR, "no answer for Zoë Müller (東京)"))
        with tracer.start_as_current_span("SELECT orders", attributes={"db.system.name": "postgresql", **more}):
            pass


def main(protocol, endpoint, compression):
    senders = [
        ("acme-corp", {"tenant.id": "acme-corp"}, {}, None),
        ("Ünïcode & Söhne", {}, {"tenant.id": "Ünïcode & Söhne"}, None),
        ("by-header", {}, {}, {"x-tenant-id": "by-header"}),
        (None, {}, {}, None),
    ]
    keepers = []
    for tenant, resource, attributes, headers in senders:
        kept = Kept(exporter(protocol, endpoint, compression, headers), tenant)
        tracing = provider(kept, **resource)
        for n in range(TURNS):
            turn(tracing.get_tracer("acme.agent", "1.4.2"), n, attributes)
        tracing.force_flush()
        tracing.shutdown()
        keepers.append(kept)
    finish(keepers)


main(*sys.argv[1:])
