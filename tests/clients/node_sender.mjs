// An agent's spans through the real Node OTLP/HTTP JSON exporter; prints an account of them as JSON.
//
//   node_sender.mjs HOST:PORT
//
// Everything is sent twice.
import { SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [endpoint] = process.argv.slice(2);
const TURNS = 50;
const spans = [];
let failed = 0;

// Passes batches on to the real exporter and keeps them, so that they can be sent again.
class Kept {
  constructor(tenant, compression) {
    this.tenant = tenant;
    this.exporter = new OTLPTraceExporter({ url: `http://${endpoint}/v1/traces`, compression });
    this.batches = [];
  }
  export(batch, done) {
    this.batches.push(batch);
    this.exporter.export(batch, (result) => {
      failed += result.code === 0 ? 0 : 1;
      done(result);
    });
  }
  async again() {
    for (const batch of this.batches) {
      await new Promise((done) => {
        this.exporter.export(batch, (result) => {
          failed += result.code === 0 ? 0 : 1;
          done();
        });
      });
    }
  }
  async forceFlush() {
    await this.exporter.forceFlush();
  }
  async shutdown() {}
}

for (const [tenant, compression] of [["node-plain", "none"], ["node-gzip", "gzip"]]) {
  const kept = new Kept(tenant, compression);
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": "acme-node-agent", "tenant.id": tenant }),
    spanProcessors: [new BatchSpanProcessor(kept)],
  });
  const tracer = provider.getTracer("acme.agent");
  for (let n = 0; n < TURNS; n++) {
    const model = tracer.startSpan("chat gpt-4o-mini", {
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 117,
        "gen_ai.request.temperature": 0.25,
        "gen_ai.response.finish_reasons": ["stop"],
      },
    });
    model.end();
    const tool = tracer.startSpan("execute_tool lookup_order", {
      attributes: {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup_order",
        "gen_ai.tool.call.arguments": JSON.stringify({ order: n, note: "Zoë 東京 🚀" }),
      },
    });
    if (n % 5 === 0) tool.setStatus({ code: SpanStatusCode.ERROR, message: "no answer" });
    tool.end();
    tracer.startSpan("GET /orders").end();
  }
  await provider.forceFlush();
  await kept.again();
  for (const span of kept.batches.flat()) {
    spans.push({
      tenant,
      trace: span.spanContext().traceId,
      span: span.spanContext().spanId,
      name: span.name,
      genai: "gen_ai.operation.name" in span.attributes,
      error: span.status.code === SpanStatusCode.ERROR,
    });
  }
  await provider.shutdown();
}
console.log(JSON.stringify({ failed, spans }));
