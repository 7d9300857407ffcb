"""A tool call through the OpenTelemetry SDK.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc
    python examples/python_exporter.py [http://127.0.0.1:4317]

An agent that is instrumented already needs none of this: set OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult


class Answered(OTLPSpanExporter):
    """Remembers how the last export ended: the SDK itself only logs it."""

    ended = None

    def export(self, spans):
        self.ended = super().export(spans)
        return self.ended


endpoint = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4317"
provider = TracerProvider(resource=Resource.create({"service.name": "support-agent", "tenant.id": "acme-corp"}))
exporter = Answered(endpoint=endpoint, insecure=True, timeout=10)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("example")

with tracer.start_as_current_span("execute_tool lookup_order") as span:
    span.set_attribute("gen_ai.operation.name", "execute_tool")
    span.set_attribute("gen_ai.tool.name", "lookup_order")
    span.set_attribute("gen_ai.tool.call.arguments", '{"order": "A-1042"}')

# The span was sent as it ended, and halod answers when it is on disk.
provider.shutdown()
if exporter.ended is not SpanExportResult.SUCCESS:
    sys.exit("not sealed: nobody took the span at %s; is halod running there?" % endpoint)
print("sealed: trace %032x, span %016x" % (span.context.trace_id, span.context.span_id))
