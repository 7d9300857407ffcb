"""A tool call through an exporter that only the environment configures.

    by_environment.py grpc|http

OTEL_EXPORTER_OTLP_ENDPOINT says where to, OTEL_RESOURCE_ATTRIBUTES whose it is.
"""

import sys

if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup_order"}
with provider.get_tracer("example").start_as_current_span("execute_tool lookup_order", attributes=attributes) as span:
    pass
provider.shutdown()
print("sealed: trace %032x, span %016x" % (span.context.trace_id, span.context.span_id))
