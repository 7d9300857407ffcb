// The page: opens what it is given, has it verified by the worker, and shows what comes back.

import { byId, field, foreignText, make, saveFile } from "./dom.js";
import { droppedFiles, firstServed, openEmbedded, openFiles, openServed, recordsWithin } from "./open.js";
import { showVerdict, showWeak, showWho } from "./verdict.js";
import { PAGE_ROWS, csvOf, moveByKey, showRows, treeOf } from "./list.js";
import { showHappened, showMadeOf } from "./view.js";
import { showRecord } from "./record.js";
import { endOfSpan } from "./time.js";
import { shortOf } from "./words.js";

/** @type {any} The browser's own guard: an address of a script comes from here alone. */
const scripts = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("halod", { createScriptURL: (/** @type {string} */ url) => url });
const workerUrl = URL.createObjectURL(new Blob([byId("library").textContent ?? "", byId("worker").textContent ?? ""], { type: "text/javascript" }));

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, {take: (answer: any) => void, fail: (error: Error) => void}>} */
const waiting = new Map();
let asked = 0;
/** @type {any} */
let loaded = null;
/** @type {any} */
let given = {};
/** What is shown of the list. */
const shown = { from: 0, rows: 0 };

function startWorker() {
  worker?.terminate();
  waiting.clear();
  worker = new Worker(scripts ? scripts.createScriptURL(workerUrl) : workerUrl);
  worker.onmessage = ({ data }) => {
    if (data.progress !== undefined) return showProgress(data.progress);
    const { take, fail } = waiting.get(data.id) ?? {};
    waiting.delete(data.id);
    if (data.error !== undefined) fail?.(Object.assign(new Error(data.error), { aborted: data.aborted }));
    else take?.(data.answer);
  };
}

/** @param {string} ask @param {any} message @returns {Promise<any>} */
function ask(ask, message = {}) {
  const id = ++asked;
  worker?.postMessage({ ...message, id, ask });
  return new Promise((take, fail) => waiting.set(id, { take, fail }));
}

/** @param {string} text */
function say(text) {
  byId("status").replaceChildren(foreignText(text));
}

/** @param {number} done */
function showProgress(done) {
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  bar.value = done;
}

/** @param {() => Promise<import("./open.js").Opened | null>} how */
async function openBy(how) {
  try {
    const opened = await how();
    if (!opened) return false;
    await load(opened);
  } catch (error) {
    const { message, aborted } = /** @type {any} */ (error);
    document.body.dataset.state = "failed";
    say(aborted ? "Stopped. Nothing is verified." : `It can't be read: ${message}`);
    for (const id of ["progress", "stop"]) byId(id).hidden = true;
    byId("open").hidden = false;
  }
  return true;
}

/** @param {import("./open.js").Opened} opened */
async function load(opened) {
  startWorker();
  document.body.dataset.state = "reading";
  given = opened.given;
  const { size } = opened.source;
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  [bar.max, bar.value, bar.hidden, byId("stop").hidden] = [Math.max(1, size), 0, false, false];
  byId("open").hidden = true;
  const told = given.count === undefined ? "" : ` ${given.count.toLocaleString("en")} records, as ${opened.name} says.`;
  say(`Reading and verifying ${opened.name}.${told}`);
  const start = performance.now();
  if (!(opened.source instanceof Blob)) void showAtOnce(opened.source.base);
  loaded = await ask("load", { source: opened.source, given });
  document.body.dataset.state = "judging";
  given.subject = loaded.subject;
  for (const id of ["progress", "stop"]) byId(id).hidden = true;
  byId("report").hidden = false;
  for (const part of byId("report").children) /** @type {HTMLElement} */ (part).hidden = part.id === "record";
  if (given.expected_subject) field("expect").value ||= given.expected_subject;
  if (given.policy) field("policy").placeholder = given.policy;
  await rejudge();
  showHappened(loaded.summary, choose);
  await choose(...firstChoice());
  say(`Done: ${loaded.report.records.toLocaleString("en")} records were read and checked in this browser, in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
  document.body.dataset.state = "done";
  await followAddress();
}

/** Shows the first records of a server while all are verified, as what they are: its word. @param {string} base */
async function showAtOnce(base) {
  const first = await firstServed(base, PAGE_ROWS).catch(() => []);
  if (document.body.dataset.state !== "reading" || first.length === 0) return;
  for (const part of byId("report").children) /** @type {HTMLElement} */ (part).hidden = part.id !== "list";
  byId("report").hidden = false;
  byId("shown").textContent = `The first ${first.length} records, told by the server: nothing of them is verified yet.`;
  showRows(first.map(({ number, record }) => shortOf(record, { row: number - 1, number, isVerified: false })), () => {});
}

/** What the list begins with: the span that the report was made for, where all records came with it. @returns {[any, string]} */
function firstChoice() {
  const { window } = given;
  if (!window || window.places?.length > 0 || !(window.from || window.to)) return [{}, ""];
  const filter = { from: endOfSpan(window.from, false), to: endOfSpan(window.to, true) };
  return [filter, `what happened from ${window.from ?? "the begin"} to ${window.to ?? "the end"}, by the sender's times`];
}

async function rejudge() {
  const judged = await ask("judge", { asked: { key: field("key").value, policy: field("policy").value, expect: field("expect").value.trim() } });
  showWho(judged, loaded, given);
  showVerdict(judged, loaded);
  showWeak(judged, choose);
}

/** Shows the records of a choice. @param {any} filter @param {string} words */
async function choose(filter, words) {
  byId("shown").textContent = "Looking.";
  const selected = await ask("select", { filter });
  [shown.from, shown.rows] = [0, selected.rows];
  await showPage();
  const of = `${selected.rows.toLocaleString("en")} of ${loaded.report.records.toLocaleString("en")} records`;
  byId("shown").replaceChildren(words === "" ? `All ${of}, in the order in which they were sealed.` : `${of}: `, foreignText(words));
  if (words === "") byId("made-of").replaceChildren();
  else showMadeOf(selected);
  if (words !== "" && document.body.dataset.state === "done") byId("list-h").focus();
}

async function showPage() {
  const rows = await ask("rows", { from: shown.from, count: PAGE_ROWS });
  showRows(rows, (row) => void open(row));
  const last = shown.from + rows.length;
  byId("page-says").textContent = shown.rows === 0 ? "none" : `${(shown.from + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${shown.rows.toLocaleString("en")}`;
  /** @type {HTMLButtonElement} */ (byId("previous")).disabled = shown.from === 0;
  /** @type {HTMLButtonElement} */ (byId("next")).disabled = last >= shown.rows;
}

/** Shows one record. @param {number} row */
async function open(row) {
  const found = await ask("row", { row });
  document.querySelector('tr[aria-current="true"]')?.removeAttribute("aria-current");
  document.querySelector(`tr[data-row="${row}"]`)?.setAttribute("aria-current", "true");
  showRecord(found, { choose: (row) => void open(row), ask, tree: (row) => void showTree(row) });
  const id = found.record && typeof found.record.record_id === "string" ? found.record.record_id : "";
  if (id !== "") history.replaceState(null, "", address({ r: id }));
}

/** @param {number} row */
async function showTree(row) {
  const says = byId("proof-says");
  says.textContent = "Looking for its trace.";
  const rows = await ask("tree", { row });
  says.replaceChildren(make("strong", {}, `Its trace: ${rows.length.toLocaleString("en")} records, each below what it belongs to.`), treeOf(rows, (row) => void open(row)));
}

/** The address of this page with what the reader looks at. @param {{[name: string]: string}} change */
function address(change) {
  const fields = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(change)) fields.set(name, value);
  return `#${fields}`;
}

/** Does what the address asks for: `#expect=ID`, `#r=RECORD_ID`. */
async function followAddress() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const [expect, id] = [fields.get("expect"), fields.get("r")];
  if (expect !== null && expect !== field("expect").value) {
    field("expect").value = expect;
    await rejudge();
  }
  if (id === null) return;
  const row = await ask("find", { record: id });
  if (row >= 0) await open(row);
  else say(`No record has the id ${id}.`);
}

/** @param {string} day @returns {number | undefined} */
function dayOf(day) {
  return day === "" ? undefined : Date.parse(`${day}T00:00:00Z`);
}

function chooseByForm() {
  const [text, from, to, only] = [field("text").value.trim(), field("from").value, field("to").value, field("only").checked];
  const end = dayOf(to);
  const words = [text && `with "${text}"`, from && `from ${from}`, to && `to the end of ${to}`, only && "actions only"].filter((word) => word);
  void choose({ text, from: dayOf(from), to: end === undefined ? undefined : end + 86400e3, only: only ? "actions" : undefined }, words.join(", "));
}

/** @param {FileList | null} list */
function chosen(list) {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

function listen() {
  for (const id of ["expect", "key", "policy"]) byId(id).addEventListener("input", () => void rejudge());
  for (const id of ["files", "folder"]) byId(id).addEventListener("change", () => void openBy(() => openFiles(chosen(field(id).files))));
  byId("stop").addEventListener("click", () => {
    startWorker();
    say("Stopped. Nothing is verified. Open the page again to verify it.");
    for (const id of ["progress", "stop"]) byId(id).hidden = true;
    byId("open").hidden = false;
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    chooseByForm();
  });
  byId("clear").addEventListener("click", () => void choose({}, ""));
  for (const [id, step] of /** @type {[string, number][]} */ ([["previous", -PAGE_ROWS], ["next", PAGE_ROWS]])) {
    byId(id).addEventListener("click", () => {
      shown.from = Math.max(0, shown.from + step);
      void showPage();
    });
  }
  byId("csv").addEventListener("click", async () => {
    const rows = await ask("rows", { from: 0, count: Math.min(shown.rows, 100000) });
    saveFile("records.csv", csvOf(rows), "text/csv");
  });
  byId("rows").addEventListener("keydown", moveByKey);
  byId("kept").addEventListener("change", async () => {
    const file = field("kept").files?.[0];
    const says = byId("before-says");
    if (!file) return;
    try {
      const { grade, text } = await ask("compare", { file, kept: { name: file.name, records: await recordsWithin(file) } });
      says.replaceChildren(make("strong", { class: grade }, foreignText(text)));
    } catch (error) {
      says.replaceChildren(foreignText(`It can't be compared: ${/** @type {Error} */ (error).message}`));
    }
  });
  window.addEventListener("hashchange", () => void (loaded && followAddress()));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const { dataTransfer } = event;
    if (dataTransfer) void openBy(async () => openFiles(await droppedFiles(dataTransfer)));
  });
}

document.addEventListener("DOMContentLoaded", async () => {
  listen();
  if ((await openBy(openServed)) || (await openBy(openEmbedded))) return;
  document.body.dataset.state = "waiting";
  say("No records are open.");
});
