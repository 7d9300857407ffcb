// A tool call through an exporter that only the environment configures.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "tenant.id": process.argv[2] }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
const attributes = { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup_order" };
provider.getTracer("example").startSpan("execute_tool lookup_order", { attributes }).end();
await provider.shutdown();
console.log("sent");
