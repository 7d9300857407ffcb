// An agent under Langfuse's current SDK for Node. LANGFUSE_BASE_URL says where to.
import { LangfuseSpanProcessor } from '@langfuse/otel';
import { propagateAttributes, startActiveObservation, startObservation } from '@langfuse/tracing';
import { NodeSDK } from '@opentelemetry/sdk-node';
const KEY = 'sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678';
const EMAIL = 'zoe.mueller@example.com';
const PROMPT = [{ role: 'user', content: `I am ${EMAIL}, my key is ${KEY}. Where is A-1042? 返金` }];
const sdk = new NodeSDK({
  spanProcessors: [new LangfuseSpanProcessor({ publicKey: 'pk-lf-FAKE0000', secretKey: 'sk-lf-FAKE0000' })],
});
sdk.start();
const who = { userId: 'user-4711', sessionId: 'sess-77', tags: ['prod'], metadata: { tenant: 'acme-corp' } };
await propagateAttributes(who, async () => {
  await startActiveObservation('SupportAgent', async (agent) => {
    agent.update({ input: { q: 'Zoë' } });
    const answer = startObservation('draft', { model: 'gpt-4o-mini', input: PROMPT }, { asType: 'generation' });
    answer.update({ output: 'on its way', usageDetails: { input: 10, output: 2 } }).end();
    for (const [name, works] of [['lookup_order', true], ['search_kb', true], ['issue_refund', false]]) {
      const call = startObservation(name, { input: { order: 'A-1042', email: EMAIL, api_key: KEY } }, { asType: 'tool' });
      call.update(works ? { output: { ok: true } } : { level: 'ERROR', statusMessage: `PaymentError (key ${KEY})` }).end();
    }
    const failed = startObservation('refused', { model: 'gpt-4o-mini', input: PROMPT }, { asType: 'generation' });
    failed.update({ level: 'ERROR', statusMessage: '429 rate_limit_exceeded' }).end();
    startObservation('handoff', { input: { to: 'human' } }, { asType: 'event' });
  }, { asType: 'agent' });
});
await sdk.shutdown();
console.log(JSON.stringify({
  did: { 'model.generate ok': 1, 'model.generate error': 1, 'lookup_order ok': 1, 'search_kb ok': 1,
    'issue_refund error': 1, 'agent.event ok': 1 },
  secrets: [KEY], session: 'sess-77', user: 'user-4711',
}));
