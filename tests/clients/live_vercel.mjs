// An agent on the Vercel AI SDK 7 with its OpenTelemetry integration, over the Node SDK.
//
// The API, the collector's address and the tenant come from the environment, as for support_agent.py.
import { createOpenAI } from "@ai-sdk/openai";
import { OpenTelemetry } from "@ai-sdk/otel";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { generateText, registerTelemetry, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

// Where the plan lies that the agents of these tests share.
const { MODEL, PROMPT, REFUSED, SESSION, SUMMARISE, SYSTEM, USER, report, schemas, tools } = await import(process.env.PLAN);

const sdk = new NodeSDK({ traceExporter: new OTLPTraceExporter() });
sdk.start();
registerTelemetry(new OpenTelemetry({ runtimeContext: true }));
const inputs = schemas(z);
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const telemetry = { functionId: "SupportAgent", includeRuntimeContext: { sessionId: true, userId: true } };
const common = { model: openai.chat(MODEL), maxRetries: 0, telemetry, runtimeContext: { sessionId: SESSION, userId: USER } };
const offered = Object.fromEntries(Object.entries(tools).map(([name, execute]) =>
  [name, tool({ description: name, inputSchema: inputs[name], execute })]));

await generateText({ ...common, tools: offered, stopWhen: stepCountIs(4), instructions: SYSTEM, prompt: PROMPT });
for await (const _ of streamText({ ...common, prompt: SUMMARISE }).textStream);
try {
  await generateText({ ...common, model: openai.chat(REFUSED), prompt: SUMMARISE });
  throw new Error("not refused");
} catch (error) {
  if (error.statusCode !== 429) throw error;
}
await sdk.shutdown();
report();
