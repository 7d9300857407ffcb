"""Tracer providers over the real OTLP exporters, and an account of what went through them."""

import json

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class Kept(SpanExporter):
    """Passes batches on to the real exporter and keeps them, so that they can be sent again."""

    def __init__(self, exporter, tenant):
        self.exporter, self.tenant, self.batches, self.failed = exporter, tenant, [], 0

    def export(self, spans):
        self.batches.append(spans)
        return self._send(spans)

    def _send(self, spans):
        result = self.exporter.export(spans)
        self.failed += result is not SpanExportResult.SUCCESS
        return result

    def again(self):
        """Sends every batch a second time, exactly as it was."""
        for spans in self.batches:
            self._send(spans)

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return self.exporter.force_flush(timeout_millis)

    def account(self):
        return [
            {
                "tenant": self.tenant,
                "trace": format(span.context.trace_id, "032x"),
                "span": format(span.context.span_id, "016x"),
                "name": span.name,
                "genai": "gen_ai.operation.name" in span.attributes,
                "error": not span.status.is_ok and span.status.is_unset is False,
            }
            for spans in self.batches
            for span in spans
        ]


def exporter(protocol, endpoint, compression="none", headers=None):
    """The exporter a user would configure; `compression` is none or gzip."""
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        codec = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        return OTLPSpanExporter(endpoint="http://" + endpoint, insecure=True, compression=codec, headers=headers)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    codec = Compression.Gzip if compression == "gzip" else Compression.NoCompression
    return OTLPSpanExporter(endpoint="http://%s/v1/traces" % endpoint, compression=codec, headers=headers)


def provider(kept, **resource):
    """A provider whose batches go through `kept`."""
    tracing = TracerProvider(resource=Resource.create({"service.name": "acme-support-agent", **resource}))
    tracing.add_span_processor(BatchSpanProcessor(kept, schedule_delay_millis=50))
    return tracing


def finish(keepers, **more):
    """Sends everything a second time and prints the account of all of it as JSON."""
    for kept in keepers:
        kept.again()
    failed = sum(kept.failed for kept in keepers)
    spans = [line for kept in keepers for line in kept.account()]
    print(json.dumps({"failed": failed, "spans": spans, **more}))
