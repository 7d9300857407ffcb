// An agent on the Vercel AI SDK with the recorder of the examples: recorded_vercel.mjs ENDPOINT TOKEN EXAMPLES
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool, wrapLanguageModel } from "ai";
import { z } from "zod";

const [endpoint, token, examples] = process.argv.slice(2);
const { recorder } = await import(`${examples}/vercel_recorder.mjs`);
const KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
const PASSWORD = "FAKE-Kx7vQ2mZ9pLw4tRb";
const SESSION = "sess-77";
const ran = {};
const count = (what) => (ran[what] = (ran[what] ?? 0) + 1);

const halod = recorder({ endpoint, token, record: { subject: "acme-corp", session_id: SESSION } });
const tools = halod.tools({
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
});
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const watched = (name) => wrapLanguageModel({ model: openai.chat(name), middleware: halod.middleware });
const common = { model: watched("gpt-4o-mini"), maxRetries: 0 };
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
  await generateText({ ...common, model: watched("gpt-4o-mini-fail-429"), prompt: summarise });
  throw new Error("not refused");
} catch (error) {
  if (error.statusCode !== 429) throw error;
}
console.log(JSON.stringify({ ran, session: SESSION, secrets: [KEY, PASSWORD] }));
