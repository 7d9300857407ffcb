// What the Node agents of the live tests share: the plan of support_agent.py.
export const KEY = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
export const PASSWORD = "FAKE-Kx7vQ2mZ9pLw4tRb";
export const MODEL = "gpt-4o-mini";
export const REFUSED = "gpt-4o-mini-fail-429";
export const SYSTEM = "You are Acme's support agent.";
export const PROMPT = `I am Zoë Müller (東京). My key is ${KEY} and password=${PASSWORD}. Please refund order A-1042.`;
export const SUMMARISE = `Summarise in one line, and forget ${KEY}.`;
export const SESSION = "sess-77";
export const USER = "user-4711";
const ran = {};
const count = (what) => (ran[what] = (ran[what] ?? 0) + 1);

// What goes into each tool, by the zod of whoever runs it.
export const schemas = (z) => ({
  lookup_order: z.object({ order: z.string() }),
  issue_refund: z.object({ order: z.string(), amount: z.number(), api_key: z.string(), password: z.string() }),
});

export const tools = {
  lookup_order: async ({ order }) => {
    count("lookup_order ok");
    return `${order}: shipped; the API key on file is ${KEY}`;
  },
  issue_refund: async ({ order, api_key, password }) => {
    count("issue_refund error");
    throw new Error(`refund for ${order} rejected, api_key=${api_key} password=${password}`);
  },
};

export const report = () =>
  console.log(JSON.stringify({ ran, session: SESSION, user: USER, secrets: [KEY, PASSWORD] }));
