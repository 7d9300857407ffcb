// An agent under Langfuse's SDK 3 for Node. LANGFUSE_BASEURL says where to.
import { Langfuse } from 'langfuse';
const KEY = 'sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678';
const EMAIL = 'zoe.mueller@example.com';
const PROMPT = [{ role: 'user', content: `I am ${EMAIL}, my key is ${KEY}. Where is A-1042? 返金` }];
const client = new Langfuse({
  publicKey: 'pk-lf-FAKE0000', secretKey: 'sk-lf-FAKE0000', flushAt: 4, fetchRetryCount: 8, fetchRetryDelay: 200,
});
const trace = client.trace({
  name: 'SupportAgent', userId: 'user-4711', sessionId: 'sess-77', tags: ['prod'], metadata: { tenant: 'acme-corp' },
  input: { q: 'Zoë' },
});
const answer = trace.generation({ name: 'draft', model: 'gpt-4o-mini', input: PROMPT });
answer.end({ output: 'on its way', usageDetails: { input: 10, output: 2 } });
for (const [name, works] of [['lookup_order', true], ['search_kb', true], ['issue_refund', false]]) {
  const call = trace.span({ name, input: { order: 'A-1042', email: EMAIL, api_key: KEY } });
  call.end(works ? { output: { ok: true } } : { level: 'ERROR', statusMessage: `PaymentError (key ${KEY})` });
}
const failed = trace.generation({ name: 'refused', model: 'gpt-4o-mini', input: PROMPT });
failed.end({ level: 'ERROR', statusMessage: '429 rate_limit_exceeded' });
trace.event({ name: 'handoff' });
trace.score({ name: 'helpfulness', value: 1 });
trace.update({ output: 'done' });
await client.shutdownAsync();
console.log(JSON.stringify({
  did: { 'model.generate ok': 1, 'model.generate error': 1, 'lookup_order ok': 1, 'search_kb ok': 1,
    'issue_refund error': 1, 'helpfulness ok': 1, 'agent.event ok': 1 },
  secrets: [KEY], session: 'sess-77', user: 'user-4711',
}));
