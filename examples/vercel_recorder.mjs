// Records each tool call and model call of the Vercel AI SDK, where it is made.
//
//   const halod = recorder({ token, record: { subject: "acme-corp", session_id: "chat-7" } });
//   await generateText({ model: wrapLanguageModel({ model, middleware: halod.middleware }), tools: halod.tools(tools), ... });
//
// `halod token new --captured` makes a token whose records may say `captured`.
import { randomUUID } from "node:crypto";

export function recorder({ endpoint = "http://127.0.0.1:4318", token, patience = 30_000, record = {} } = {}) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };

  // Returns when the record is on disk: a call that can't be recorded ends as failed.
  async function send(one) {
    for (const deadline = Date.now() + patience; ; await new Promise((next) => setTimeout(next, 1000))) {
      const answer = await fetch(`${endpoint}/v1/records`, { method: "POST", headers, body: JSON.stringify(one) })
        .catch((error) => ({ status: 503, text: () => String(error) })); // halod is not there
      if (answer.ok) return;
      if (answer.status !== 503 || Date.now() > deadline) throw new Error(`not recorded: ${await answer.text()}`);
    }
  }

  function begin(key, action, agent) {
    const started_at = new Date().toISOString();
    return (outcome) => send({ key, ...record, agent, action, started_at, ended_at: new Date().toISOString(), outcome });
  }

  async function told(end, call, value) {
    let result;
    try {
      result = await call();
    } catch (error) {
      await end({ error: String(error) });
      throw error;
    }
    await end({ value: value(result) ?? null });
    return result;
  }

  function asked({ model, params }) {
    const [provider] = model.provider.split(".");
    const action = { type: "tool_call", category: "privacy", tool: "model.generate", input: params.prompt, authorization: { scope: `model:${provider}` } };
    return begin(randomUUID(), action, { id: "vercel-ai", model: model.modelId });
  }

  const middleware = {
    specificationVersion: "v3",
    wrapGenerate: ({ doGenerate, ...call }) => told(asked(call), doGenerate, (result) => result.content),
    async wrapStream({ doStream, ...call }) {
      const [end, parts] = [asked(call), []];
      const { stream, ...rest } = await doStream().catch(async (error) => (await end({ error: String(error) }), Promise.reject(error)));
      const seen = { transform: (part, out) => (parts.push(part), out.enqueue(part)), flush: () => end({ value: parts }) };
      return { stream: stream.pipeThrough(new TransformStream(seen)), ...rest };
    },
  };
  const tools = (all) => Object.fromEntries(Object.entries(all).map(([name, tool]) => [name, { ...tool, execute: (input, options) =>
    told(begin(options.toolCallId, { type: "tool_call", category: "security", tool: name, input }, { id: "vercel-ai" }),
      () => tool.execute(input, options), (result) => result) }]));
  return { middleware, tools };
}
