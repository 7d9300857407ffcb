// One record: in words, as JSON, its hash computed again, its proof, and whether a text is what it was given.

import { byId, cut, field, foreignText, make, saveFile, showFacts } from "./dom.js";
import { hex, unhex, utf8 } from "./bytes.js";
import { hmac256, sha256 } from "./sha256.js";
import { inputHash } from "./canon.js";
import { JsonError, TEXT_LIMITS, at, own, parseJson } from "./json.js";
import { readRecord } from "./verify.js";
import { showTime } from "./time.js";
import { LATE, agentOf, allowedBy, findingsOf, happenedAt, lateness, onWhat, outcomeOf, personOf, sentenceOf, undisclosedOf } from "./words.js";
import { millis, showLength } from "./time.js";

/** The texts that a reviewer may mean: a JSON value, or words. @param {string} text */
function readings(text) {
  /** @type {any[]} */
  const values = [text];
  if (text.trim() !== text) values.push(text.trim());
  try {
    values.push(parseJson(text, TEXT_LIMITS).value);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  return values;
}

/**
 * Whether a text is what a record was given, or what came out.
 * @param {any} record @param {string} text @param {string} keyText The tenant's key, where hashes are keyed.
 */
export function isHeld(record, text, keyText) {
  const hashes = /** @type {const} */ ([["input", at(record, "action", "input", "hash")], ["outcome", at(record, "outcome", "hash")]]).filter(([, hash]) => typeof hash === "string");
  if (hashes.length === 0) return { grade: "note", text: "The record has no hash of an input or an outcome." };
  const isKeyed = hashes.some(([, hash]) => hash.startsWith("hmac-sha256:"));
  const key = unhex(keyText.trim());
  if (isKeyed && key?.length !== 32) return { grade: "note", text: "The hashes of this record are keyed: the customer's key is needed, 64 hexadecimal digits, as `halod key` prints it." };
  if (isKeyed && key) {
    const name = hex(hmac256(key, utf8("halod/hash-key/1 name\0")).subarray(0, 8));
    const named = at(record, "data", "hash_key");
    if (typeof named === "string" && named !== name) return { grade: "note", text: `This is not the key of the record: that has the name ${named}, and yours ${name}.` };
  }
  for (const value of readings(text)) {
    const digest = inputHash(value);
    const own = isKeyed && key ? `hmac-sha256:${hex(hmac256(key, digest))}` : `sha256:${hex(digest)}`;
    const found = hashes.find(([, hash]) => hash === own);
    if (found) return { grade: "good", text: `Yes: it is the ${found[0]} of this record, to the last character.` };
  }
  return { grade: "bad", text: "No: it is neither the input nor the outcome of this record. One other character, or another way to write it, is another hash." };
}

/** @param {any} found @param {{choose: (row: number) => void, ask: (ask: string, message?: any) => Promise<any>, tree: (row: number) => void}} page */
export function showRecord(found, page) {
  const { record, text, number, isVerified, row, rows } = found;
  const body = byId("record-body");
  body.replaceChildren();
  byId("record").hidden = false;
  byId("record-h").replaceChildren(`Record ${number}: `, foreignText(cut(record === undefined ? "a line that is no record" : sentenceOf(record))));
  const step = (/** @type {string} */ label, /** @type {number} */ to) => {
    const button = /** @type {HTMLButtonElement} */ (make("button", { type: "button", onclick: () => page.choose(to) }, label));
    button.disabled = to < 0 || to >= rows;
    return button;
  };
  const says = make("p", { id: "proof-says", role: "status" });
  const save = make("button", { type: "button", id: "save-proof", onclick: () => saveProof(row, number, says, page) }, "Save proof");
  const trace = make("button", { type: "button", id: "show-tree", onclick: () => page.tree(row) }, "Show its trace");
  body.append(make("p", {}, step("Record before", row - 1), " ", step("Record after", row + 1), " ", save, " ", trace), says);
  if (record !== undefined) body.append(words(record), heldForm(record));
  body.append(make("h3", {}, "Its hash"), hashFacts(record, text, isVerified), make("h3", {}, "As JSON"), make("pre", { id: "record-json", tabindex: "0", "aria-label": "The record as JSON" }, foreignText(pretty(record, text))));
  byId("record-h").focus();
}

/** @param {any} record @param {string} text */
function pretty(record, text) {
  if (record === undefined || text.length > 1 << 20) return text.slice(0, 1 << 20);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {any} record */
function words(record) {
  const happened = happenedAt(record);
  const late = lateness(record);
  const list = make("dl", { id: "record-words" });
  const text = (/** @type {unknown} */ value) => (typeof value === "string" && value !== "" ? foreignText(cut(value, 2000)) : "not said");
  const outcome = { ok: "It came off.", error: "It failed.", denied: "It was refused.", unfinished: "It had not ended when it was told of.", unknown: "Nobody said." }[outcomeOf(record)];
  showFacts(list, [
    ["Happened", Number.isNaN(happened) ? "not said" : `${showTime(happened)}, as the sender says`],
    ["Sealed", `${showTime(millis(own(record, "ts")))}${late > LATE ? `: late, ${showLength(late)} after it ended` : ""}`],
    ["On what", text(onWhat(record))],
    ["How it ended", make("span", {}, `${outcome} `, text(at(record, "outcome", "summary")))],
    ["Who allowed it", text(allowedBy(record))],
    ["Agent", text([agentOf(record), at(record, "agent", "model")].filter((word) => typeof word === "string" && word !== "").join(", "))],
    ["For whom", text(personOf(record))],
    ["Session", text(own(record, "session_id"))],
    ["Findings", text(findingsOf(record).map(({ type, severity }) => `${type} (${severity.toLowerCase()})`).join(", ") || "none")],
    ["Not disclosed", undisclosedOf(record).length > 0 ? text(undisclosedOf(record).join(", ")) : "nothing that the sender told of"],
    ["How it was recorded", text([at(record, "source", "capture"), at(record, "source", "adapter"), at(record, "source", "via")].filter((word) => typeof word === "string").join(", "))],
  ]);
  return list;
}

/** @param {any} record @param {string} text @param {boolean} isVerified */
function hashFacts(record, text, isVerified) {
  const list = make("dl", { id: "record-hash" });
  let computed = "none: the line has no canonical form";
  try {
    const { bare } = readRecord(text);
    if (bare !== null) computed = hex(sha256(utf8(bare)));
  } catch {
    // A torn line has no hash.
  }
  const stored = String(at(record, "integrity", "hash") ?? "none");
  const verdict = isVerified ? "The same, and linked to the record before." : computed === stored ? "The same; but the chain is broken before it, or it is not in the signed tree." : "Another one: the record is not as it was sealed.";
  showFacts(list, [
    ["Computed here", make("span", { class: "hash" }, computed)],
    ["In the record", foreignText(stored)],
    ["So it is", make("strong", { class: isVerified ? "good" : "bad" }, verdict)],
  ]);
  return list;
}

/** @param {number} row @param {number} number @param {HTMLElement} says @param {{ask: (ask: string, message?: any) => Promise<any>}} page */
async function saveProof(row, number, says, page) {
  says.textContent = "Making the proof.";
  const { text, why } = await page.ask("proof", { row });
  if (why) says.textContent = `No proof can be saved: ${why}.`;
  else saveFile(`record-${number}.halod-proof`, text);
  if (!why) says.textContent = "Saved. The file proves this one record, without the others: it opens in this page, and `halod check` checks it.";
}

/** "Is this the prompt I hold?" @param {any} record */
function heldForm(record) {
  const answer = make("p", { id: "held-says", role: "status" });
  const form = make("form", { id: "held-form" },
    make("h3", {}, "Is this the text that I hold?"),
    make("p", {}, make("label", { for: "held" }, "A prompt, an answer, or JSON; it does not leave this page"), make("textarea", { id: "held", rows: "3", spellcheck: "false" })),
    make("p", {}, make("label", { for: "held-key" }, "The customer's key, where hashes are keyed "), make("input", { id: "held-key", autocomplete: "off", spellcheck: "false" })),
    make("p", {}, make("button", { type: "submit" }, "Compare")), answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { grade, text } = isHeld(record, field("held").value, field("held-key").value);
    answer.replaceChildren(make("strong", { class: grade }, text));
  });
  return form;
}
