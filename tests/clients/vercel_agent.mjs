// An agent on the Vercel AI SDK with its own telemetry, over the Node SDK: vercel_agent.mjs json|protobuf
//
// The API, the collector's address and the tenant come from the environment, as for support_agent.py.
import { createOpenAI } from "@ai-sdk/openai";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [encoding] = process.argv.slice(2);
const KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
const PASSWORD = "FAKE-Kx7vQ2mZ9pLw4tRb";
const SESSION = "sess-77";
const USER = "user-4711";
const ran = {};
const count = (what) => (ran[what] = (ran[what] ?? 0) + 1);

const tools = {
  lookup_order: tool({
    description: "Say where an order is.",
    inputSchema: z.object({ order: z.string() }),
    execute: async ({ order }) => {
      count("lookup_order ok");
      return `${order}: shipped; the API key on file is ${KEY}`;
    },
  }),
  issue_refund: tool({
    description: "Pay an order back.",
    inputSchema: z.object({ order: z.string(), amount: z.number(), api_key: z.string(), password: z.string() }),
    execute: async ({ order, api_key, password }) => {
      count("issue_refund error");
      throw new Error(`refund for ${order} rejected, api_key=${api_key} password=${password}`);
    },
  }),
};

const sdk = new NodeSDK({
  traceExporter: encoding === "json" ? new JsonExporter() : new ProtobufExporter({ compression: "gzip" }),
});
sdk.start();
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const experimental_telemetry = {
  isEnabled: true,
  functionId: "SupportAgent",
  metadata: { sessionId: SESSION, userId: USER },
};
const common = { model: openai.chat("gpt-4o-mini"), maxRetries: 0, experimental_telemetry };
const summarise = `Summarise in one line, and forget ${KEY}.`;

await generateText({
  ...common,
  tools,
  stopWhen: stepCountIs(4),
  system: "You are Acme's support agent.",
  prompt: `I am Zoë Müller (東京). My key is ${KEY} and password=${PASSWORD}. Please refund order A-1042.`,
});
for await (const _ of streamText({ ...common, prompt: summarise }).textStream);
try {
  await generateText({ ...common, model: openai.chat("gpt-4o-mini-fail-429"), prompt: summarise });
  throw new Error("not refused");
} catch (error) {
  if (error.statusCode !== 429) throw error;
}
await sdk.shutdown();
console.log(JSON.stringify({ ran, session: SESSION, user: USER, secrets: [KEY, PASSWORD] }));
