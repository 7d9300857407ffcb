// Seals one action of an agent, with nothing but Node.
//
//   node examples/record.mjs [http://127.0.0.1:4318] [token]
import { randomUUID } from "node:crypto";

const [endpoint = "http://127.0.0.1:4318", token] = process.argv.slice(2);
const unfit = "the token has a line break or another character that no header may hold; take it out";
if (/[^\x20-\x7e]/.test(token ?? "")) throw new Error(unfit);

// Returns when the records are on disk. Sent again with the same keys they seal nothing twice.
async function record(records, patience = 30_000) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const request = { method: "POST", headers, body: JSON.stringify(records) };
  for (const deadline = Date.now() + patience; ; ) {
    let wait = 1;
    try {
      const answer = await fetch(`${endpoint}/v1/records`, { ...request, signal: AbortSignal.timeout(patience) });
      if (answer.ok) return await answer.json();
      if (answer.status !== 503) throw new Error(await answer.text(), { cause: "refused" });
      wait = Number(answer.headers.get("retry-after") ?? 1);
    } catch (error) {
      if (error.cause === "refused" || Date.now() > deadline) throw error; // else halod is not there
    }
    if (Date.now() > deadline) throw new Error("halod took nothing for so long");
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

const receipt = await record([{
  key: randomUUID(), // made before the first try
  subject: "acme-corp",
  agent: { id: "support-agent", version: "1.4.2" },
  action: { type: "tool_call", category: "security", tool: "lookup_order", input: { order: "A-1042" } },
  outcome: { value: { status: "shipped" } },
}]);
for (const { status, record_id, errors } of receipt.results) console.log(`${status}: ${record_id ?? errors}`);
const [{ subject, records, hash }] = receipt.heads;
console.log(`head: ${subject} ${records} ${hash}`);
