"""Spans through the real Python OTLP/gRPC exporter, with a pause after each.

    idle_sender.py HOST:PORT SPANS SECONDS
"""

import sys
import time

from exporting import exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

endpoint, spans, seconds = sys.argv[1:]
tracing = TracerProvider(resource=Resource.create({"tenant.id": "idle"}))
tracing.add_span_processor(SimpleSpanProcessor(exporter("grpc", endpoint)))
attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup_order"}
for _ in range(int(spans)):
    with tracing.get_tracer("idle").start_as_current_span("execute_tool lookup_order", attributes=attributes):
        pass
    time.sleep(float(seconds))
tracing.shutdown()
