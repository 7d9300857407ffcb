// An agent on Mastra with its own OpenTelemetry exporter.
import { createOpenAI } from "@ai-sdk/openai";
import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { Observability } from "@mastra/observability";
import { OtelExporter } from "@mastra/otel-exporter";
import { z } from "zod";

// Where the plan lies that the agents of these tests share.
const { MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, USER, report, schemas, tools } = await import(process.env.PLAN);
const inputs = schemas(z);
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const offered = Object.fromEntries(Object.entries(tools).map(([id, run]) =>
  [id, createTool({ id, description: id, inputSchema: inputs[id], execute: (input) => run(input.context ?? input) })]));
const agent = (id, name, model) =>
  new Agent({ id, name, instructions: SYSTEM, model: openai.chat(model), tools: offered, maxRetries: 0 });
const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT + "/v1/traces";
const exporter = new OtelExporter({
  provider: { custom: { endpoint, protocol: "http/protobuf" } },
  resourceAttributes: { "tenant.id": "acme-corp" },
});
const mastra = new Mastra({
  agents: { support: agent("support", "SupportAgent", MODEL), refused: agent("refused", "RefusedAgent", REFUSED) },
  observability: new Observability({ configs: { otel: { serviceName: "acme-support-agent", exporters: [exporter] } } }),
});
const options = {
  maxSteps: 4,
  tracingOptions: { metadata: { sessionId: SESSION, userId: USER } },
  modelSettings: { maxRetries: 0 },
};

await mastra.getAgent("support").generate(PROMPT, options);
for await (const _ of (await mastra.getAgent("support").stream(SUMMARISE, options)).textStream);
try {
  await mastra.getAgent("refused").generate(SUMMARISE, options);
  throw new Error("not refused");
} catch (error) {
  if (error.message === "not refused") throw error;
}
await mastra.observability.shutdown();
report();
