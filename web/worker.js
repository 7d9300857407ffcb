// The worker: holds the chain, and answers what the page asks.

import { Chain } from "./chain.js";
import { judge, compare } from "./judge.js";
import { at, own } from "./json.js";
import { sourceOf } from "./source.js";
import { shortOf } from "./words.js";

/** @type {Chain} */
let chain;
/** @type {Uint32Array<ArrayBufferLike>} The rows that the reader looks at. */
let view = new Uint32Array(0);

/** Rows of a trace that are shown as a tree. */
const TREE_ROWS = 2000;

const tell = (/** @type {any} */ message) => /** @type {any} */ (globalThis).postMessage(message);
const progress = (/** @type {number} */ done) => tell({ progress: done });

const shortRow = (/** @type {import("./chain.js").Row} */ found) => shortOf(found.record, found);

/** @type {{[ask: string]: (message: any) => any}} */
const answers = {
  load: async ({ source, given }) => {
    chain = new Chain(sourceOf(source), given);
    await chain.verify(progress);
    view = chain.columns.select({});
    return { report: chain.report, issues: chain.issues, subject: chain.given.subject ?? null, first: chain.first, summary: chain.columns.summary() };
  },
  stop: () => chain.stopped.abort(),
  judge: ({ asked }) => judge(chain, asked),
  compare: ({ file, kept }) => compare(chain, file, kept),
  select: async ({ filter }) => {
    view = chain.columns.select(filter);
    if (filter.text) view = Uint32Array.from(await chain.search(filter.text, view, progress));
    const madeOf = (/** @type {string} */ column) => chain.columns.madeOf(view, column);
    return { rows: view.length, tools: madeOf("tool"), people: madeOf("person"), allowed: madeOf("allowed") };
  },
  rows: async ({ from, count }) => (await chain.rowsAt(view.subarray(from, from + count))).map(shortRow),
  row: async ({ row }) => ({ ...(await chain.row(row)), rows: chain.columns.rows, place: view.indexOf(row) }),
  find: ({ record }) => chain.find(record),
  proof: ({ row }) => chain.proof(row),
  tree: async ({ row }) => {
    const { record } = await chain.row(row);
    const trace = at(record, "data", "trace_id") ?? own(record, "session_id") ?? "";
    const rows = await chain.search(String(trace), chain.columns.select({}), progress);
    return (await chain.rowsAt(rows.slice(0, TREE_ROWS))).map(shortRow);
  },
};

globalThis.onmessage = async (/** @type {MessageEvent} */ { data }) => {
  try {
    tell({ id: data.id, answer: await answers[data.ask](data) });
  } catch (error) {
    tell({ id: data.id, error: String(error instanceof Error ? error.message : error), aborted: error instanceof DOMException && error.name === "AbortError" });
  }
};
