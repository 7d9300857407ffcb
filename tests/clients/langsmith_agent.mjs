// A tool loop traced by LangSmith's SDK for JavaScript, which only the environment configures.
//
// The API, LANGSMITH_ENDPOINT and the rest come from the environment, as for langsmith_agent.py.
import { Client } from "langsmith";
import { traceable } from "langsmith/traceable";

const KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
const PASSWORD = "FAKE-Kx7vQ2mZ9pLw4tRb";
const SESSION = "sess-77";
const USER = "user-4711";
const MODEL = "gpt-4o-mini";
const ran = {};
const count = (what) => (ran[what] = (ran[what] ?? 0) + 1);
const client = new Client();
const metadata = { thread_id: SESSION, user_id: USER, tenant: "acme-corp" };
const traced = (run, config) => traceable(run, { client, metadata, tags: ["prod"], ...config });

const tools = {
  lookup_order: traced(
    async ({ order }) => {
      count("lookup_order ok");
      return `${order}: shipped; the API key on file is ${KEY}`;
    },
    { name: "lookup_order", run_type: "tool" },
  ),
  issue_refund: traced(
    async ({ order, api_key, password }) => {
      count("issue_refund error");
      throw new RangeError(`refund for ${order} rejected, api_key=${api_key} password=${password}`);
    },
    { name: "issue_refund", run_type: "tool" },
  ),
};

const asks = (model) =>
  traced(
    async ({ messages, offered }) => {
      const response = await fetch(`${process.env.OPENAI_BASE_URL}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, messages, tools: offered }),
      });
      if (!response.ok) {
        throw new Error(`refused with ${response.status}`);
      }
      return response.json();
    },
    { name: "ask", run_type: "llm", metadata: { ...metadata, ls_provider: "openai", ls_model_name: model } },
  );

const agent = traced(
  async (prompt) => {
    const ask = asks(MODEL);
    const offered = Object.keys(tools).map((name) => ({ type: "function", function: { name, parameters: {} } }));
    const messages = [{ role: "user", content: prompt }];
    const { message } = (await ask({ messages, offered })).choices[0];
    messages.push(message);
    for (const call of message.tool_calls) {
      const content = await tools[call.function.name](JSON.parse(call.function.arguments)).catch(String);
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
    return (await ask({ messages, offered })).choices[0].message.content;
  },
  { name: "SupportAgent" },
);

await agent(`I am Zoë Müller (東京). My key is ${KEY} and password=${PASSWORD}. Please refund order A-1042.`);
const messages = [{ role: "user", content: `Summarise in one line, and forget ${KEY}.` }];
await asks(MODEL)({ messages });
await asks(`${MODEL}-fail-429`)({ messages }).catch(() => {});
await client.awaitPendingTraceBatches();
console.log(JSON.stringify({ ran, session: SESSION, user: USER, secrets: [KEY, PASSWORD] }));
