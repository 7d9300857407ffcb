"""One tool call through the real Python OTLP/gRPC exporter over a Unix socket: unix_sender.py PATH"""

import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

tracer = TracerProvider().get_tracer("acme.agent")
exporter = OTLPSpanExporter(endpoint="unix:" + sys.argv[1], insecure=True)
for tool in ["lookup_order", "refund"]:
    span = tracer.start_span("execute_tool " + tool, attributes={
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool})
    span.end()
    if exporter.export([span]) is not SpanExportResult.SUCCESS:
        sys.exit("not exported")
