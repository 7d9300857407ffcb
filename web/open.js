// What the page is given: within itself, by its server, or by the reader.

import { fromBase64 } from "./bytes.js";
import { isObject, own, parseJson } from "./json.js";
import { checkRecordProof } from "./proof.js";

/** @typedef {{source: Blob | {base: string, size: number}, given: any, name: string}} Opened */

/** Bytes of a file beside the chain that is read. */
const BESIDE_BYTES = 64 << 20;

/** @param {string} packed Gzip in base64. */
async function unpacked(packed) {
  const bytes = fromBase64(packed);
  if (!bytes) throw new Error("the records in this report are damaged: they are not base64");
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).blob();
}

/** @param {string} base64 @returns {any} */
function givenOf(base64) {
  const bytes = fromBase64(base64);
  if (!bytes) throw new Error("what this report says of its records is damaged: it is not base64");
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** What stands behind the page in its own file. @returns {Promise<Opened | null>} */
export async function openEmbedded() {
  const [given, records] = ["halo-given", "halo-records"].map((id) => document.getElementById(id)?.textContent);
  if (!given || !records) return null;
  return { source: await unpacked(records), given: givenOf(given), name: "this report" };
}

/** What the server of the page has, where the page is a report's. @returns {Promise<Opened | null>} */
export async function openServed() {
  if (!/^https?:$/.test(location.protocol) || !/^\/r\/[^/]+\/?$/.test(location.pathname)) return null;
  const base = location.origin + location.pathname.replace(/\/$/, "");
  const answer = await fetch(`${base}/meta`, { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const given = await answer.json();
  return { source: { base, size: given.bytes }, given, name: "the server" };
}

/**
 * The first records as the server shows them at once: nothing of them is verified.
 * @param {string} base @param {number} count @returns {Promise<{number: number, record: any}[]>}
 */
export async function firstServed(base, count) {
  const answer = await fetch(`${base}/records?from=1&n=${count}`, { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok) return [];
  const first = Number(answer.headers.get("X-First") ?? 1);
  const lines = (await answer.text()).split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, at) => {
    try {
      return { number: first + at, record: parseJson(line).value };
    } catch {
      return { number: first + at, record: undefined };
    }
  });
}

/** @param {Blob} file The records that a report has within it; `null` where it is none. */
export async function recordsWithin(file) {
  if (file.size > 4 * BESIDE_BYTES) return null;
  const found = /id="halo-records">([A-Za-z0-9+/=]*)</.exec(await file.text());
  return found ? unpacked(found[1]) : null;
}

/** @param {File} file @returns {Promise<Opened>} */
async function openProof(file) {
  const text = await file.text();
  const proof = checkRecordProof(text);
  const { value } = parseJson(text);
  if (proof.record === null) throw new Error(`the proof holds: record ${proof.number} of ${proof.shown.state?.count}, hash ${proof.hash}; but the record itself is not in it (halod prove --with-record)`);
  const window = { from: null, to: null, chosen: 1, of: proof.shown.state?.count, places: [[proof.number, own(value, "record_path")]] };
  const given = { subject: proof.tenant, checkpoints: [own(value, "note")], slots: [text], keys: [], window, chain: file.name };
  return { source: new Blob([proof.record]), given, name: file.name };
}

/**
 * A chain, alone or with its bundle; a proof; or a report.
 * @param {{path: string, file: File}[]} files @returns {Promise<Opened>}
 */
export async function openFiles(files) {
  const ending = (/** @type {string} */ end) => files.find(({ path }) => path.endsWith(end))?.file;
  const text = async (/** @type {string} */ end) => {
    const file = ending(end);
    return file && file.size <= BESIDE_BYTES ? file.text() : "";
  };
  const lines = async (/** @type {string} */ end) => (await text(end)).split("\n").filter((line) => line !== "");
  const proof = ending(".halod-proof");
  if (proof && files.length === 1) return openProof(proof);
  const chains = files.filter(({ path }) => path.endsWith(".jsonl") && !/(^|\/)evidence\/[^/]*$/.test(path)).map(({ file }) => file);
  if (chains.length === 0) {
    const report = ending(".html");
    const found = report && /id="halo-given">([A-Za-z0-9+/=]*)</.exec(await report.text());
    const records = report && found && (await recordsWithin(report));
    if (report && found && records) return { source: records, given: givenOf(found[1]), name: report.name };
    throw new Error("there is no chain (.jsonl), no proof (.halod-proof) and no report (.html) among these files");
  }
  if (chains.length > 1) throw new Error(`there are ${chains.length} chains among these files: choose one`);
  const [chain] = chains;
  const said = await text("given.json");
  /** @type {any} */
  const given = { ...(said === "" ? {} : JSON.parse(said)), chain: chain.name };
  const manifest = await text("bundle.json");
  if (manifest !== "") {
    const { value } = parseJson(manifest);
    if (!isObject(value) || own(value, "format") !== "halod-bundle/v1") throw new Error("bundle.json is not of a bundle that this page reads (halod-bundle/v1)");
    given.subject = own(value, "tenant") ?? null;
    const [checkpoint, consistency] = [await text("evidence/checkpoint"), await text("evidence/consistency.json")];
    given.checkpoints = checkpoint === "" ? [] : [checkpoint];
    given.keys = await lines("evidence/vkeys");
    given.slots = await lines("evidence/slots.jsonl");
    given.consistency = consistency === "" ? [] : [parseJson(consistency).value];
  }
  return { source: chain, given, name: chain.name };
}

/** The files of what was dropped, those in folders too. @param {DataTransfer} transfer */
export async function droppedFiles(transfer) {
  /** @type {{path: string, file: File}[]} */
  const files = [];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const walk = async (/** @type {any} */ entry) => {
    if (entry.isFile) {
      files.push({ path: entry.fullPath, file: await new Promise((take, fail) => entry.file(take, fail)) });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        /** @type {any[]} */
        const some = await new Promise((take, fail) => reader.readEntries(take, fail));
        if (some.length === 0) break;
        for (const one of some) await walk(one);
      }
    }
  };
  for (const entry of entries) if (entry) await walk(entry);
  return files;
}
