// A tool call through the OpenTelemetry SDK.
//
//   npm install @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http @opentelemetry/resources
//   node examples/node_exporter.mjs [http://127.0.0.1:4318]
//
// An agent that is instrumented already needs none of this: set OTEL_EXPORTER_OTLP_ENDPOINT.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const endpoint = process.argv[2] ?? "http://127.0.0.1:4318";
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "support-agent", "tenant.id": "acme-corp" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
});

const span = provider.getTracer("example").startSpan("execute_tool lookup_order", {
  attributes: {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "lookup_order",
    "gen_ai.tool.call.arguments": JSON.stringify({ order: "A-1042" }),
  },
});
span.end();

// Returns when halod has answered, so what was sent is on disk.
await provider.shutdown();
const { traceId, spanId } = span.spanContext();
console.log(`sealed: trace ${traceId}, span ${spanId}`);
