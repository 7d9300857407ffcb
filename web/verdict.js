// The top of the page: who it is about, five lines of verdict, and what is weak.

import { byId, foreignText, make, showFacts, wordButton } from "./dom.js";

const GRADES = { good: "Shown", note: "Note", bad: "Wrong" };

/** @param {any} judged @param {any} loaded @param {any} given */
export function showWho(judged, loaded, given) {
  const { signer } = judged;
  const whose = loaded.subject === null ? "none: records of no customer (the local chain)" : foreignText(loaded.subject);
  const signed = { good: "signed the checkpoint", forged: "has NOT signed the checkpoint", "wrong key": "has NOT signed the checkpoint", unchecked: "not checked here: this browser has no Ed25519", none: "no key is named" };
  /** @type {[string, string | Node][]} */
  const facts = [["Customer id", whose]];
  if (given.chain) facts.push(["File", foreignText(given.chain)]);
  if (loaded.first) facts.push(["First record's hash", make("span", { class: "hash" }, loaded.first)]);
  if (loaded.report?.head) facts.push(["Last record's hash", make("span", { class: "hash" }, loaded.report.head)]);
  if (judged.origin) facts.push(["Log", foreignText(`${judged.origin}, ${judged.size} entries`)]);
  if (signer.fingerprint) facts.push(["Key", make("span", {}, make("span", { class: "hash" }, signer.fingerprint), ` (${signed[/** @type {keyof typeof signed} */ (signer.signed)]}; ${signer.isPinned ? "you named it" : "it came with the records: compare it with your contract"})`)]);
  const { window } = given;
  if (window && window.chosen !== undefined) facts.push(["Choice", `${window.chosen.toLocaleString("en")} chosen of ${window.of.toLocaleString("en")} records${window.from || window.to ? `, by the sender's times: ${window.from ?? "the begin"} to ${window.to ?? "the end"}` : ""}`]);
  showFacts(byId("who-facts"), facts);
  byId("title").replaceChildren("Records of ", loaded.subject === null ? "no customer" : foreignText(loaded.subject));
  const says = byId("expect-says");
  says.className = judged.expected.grade;
  says.replaceChildren(make("strong", { class: judged.expected.grade }, `${GRADES[/** @type {keyof typeof GRADES} */ (judged.expected.grade)]}: `), foreignText(judged.expected.text));
  byId("key-says").textContent = judged.keyError;
  byId("policy-says").textContent = judged.policyError || (judged.isWeakPolicy ? "The quorum is no majority of the witnesses: two histories could both have one." : "");
}

/** @param {any} judged @param {any} loaded */
export function showVerdict(judged, loaded) {
  const line = (/** @type {any} */ one) => make("li", { class: one.grade, "data-line": one.id, "data-grade": one.grade }, make("strong", { class: one.grade }, `${GRADES[/** @type {keyof typeof GRADES} */ (one.grade)]}: `), foreignText(one.text), " ", make("span", { class: "how" }, foreignText(one.how)));
  byId("verdict-lines").replaceChildren(...judged.lines.map(line));
  byId("verdict").dataset.code = String(judged.code);
  const box = byId("issues-box");
  box.hidden = loaded.issues.length === 0;
  byId("issues").replaceChildren(...loaded.issues.map((/** @type {any} */ issue) => make("li", {}, foreignText(`line ${issue.line}: ${issue.rule}: ${issue.text}`))));
}

/** @param {any} judged @param {(filter: any, words: string) => void} choose */
export function showWeak(judged, choose) {
  const point = (/** @type {any} */ one) => make("li", {}, one.filter ? wordButton(one.text, () => choose(one.filter, one.text)) : one.text);
  const points = judged.weak.length > 0 ? judged.weak.map(point) : [make("li", {}, "None.")];
  byId("weak-points").replaceChildren(...points);
}
