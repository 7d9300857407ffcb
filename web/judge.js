// What the evidence comes to: five lines of verdict, and what is weak.

import { Verifier } from "./verify.js";
import { isObject, own, parseJson } from "./json.js";
import { fingerprint, parseCheckpoint, parseKey, parseNote, verifyNote } from "./note.js";
import { checkPolicy, hasDisjointQuorums, parsePolicy } from "./policy.js";
import { checkRecordProof } from "./proof.js";
import { isConsistent, partHashes } from "./tree.js";
import { fromBase64, sameBytes } from "./bytes.js";
import { showLength, showTime } from "./time.js";

/** @typedef {"good" | "note" | "bad"} Grade */
/** @typedef {{id: string, grade: Grade, text: string, how: string}} Verdict */
/** What the reader brings. @typedef {{key: string, policy: string, expect: string | null}} Asked */

/** @param {number} count @param {string} one */
export function many(count, one) {
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}

/** Who has signed the checkpoint. @param {import("./chain.js").Chain} chain @param {Asked} asked */
async function signer({ note, given }, asked) {
  const answer = { signed: /** @type {import("./note.js").Signed | "none" | "wrong key"} */ ("none"), isPinned: false, name: "", fingerprint: "" };
  if (!note) return answer;
  /** @type {import("./note.js").VerifierKey[]} */
  const pinned = [];
  try {
    if (asked.key.trim() !== "") pinned.push(parseKey(asked.key.trim()));
    if (asked.policy.trim() !== "") pinned.push(...parsePolicy(asked.policy).logs);
  } catch {
    // What is wrong with it stands beside its field.
  }
  const beside = (given.keys ?? []).flatMap((/** @type {string} */ text) => {
    try {
      return [parseKey(text)];
    } catch {
      return [];
    }
  });
  answer.isPinned = pinned.length > 0;
  for (const key of (answer.isPinned ? pinned : beside).reverse()) {
    const signed = await verifyNote(note, key);
    // The newest key counts, and one that has signed nothing says nothing.
    if (answer.signed === "none" || signed === "good") Object.assign(answer, { signed: signed === "unsigned" ? "wrong key" : signed, name: key.name, fingerprint: fingerprint(key) });
    if (signed === "good") break;
  }
  return answer;
}

/** @param {import("./chain.js").Chain} chain @returns {Verdict} */
function unchanged({ report, columns, given, issues }) {
  const how = "Computed here: the SHA-256 of each record's canonical form, and its link to the one before.";
  const line = (/** @type {Grade} */ grade, /** @type {string} */ text) => ({ id: "unchanged", grade, text, how });
  if (!report) return line("note", "The records are not read yet.");
  if (report.verdict === "empty") return line("note", "There are no records: nothing to attest.");
  if (report.verdict === "intact" && given.window?.places?.length) {
    return line("good", `${columns.rows === 1 ? "The record" : `Each of the ${many(columns.rows, "record")}`} has the hash of its content, and stands at its number in the tree that was signed.`);
  }
  if (report.verdict === "intact") return line("good", `All ${many(report.records, "record")} are as they were sealed: each has the hash of its content and of the one before.`);
  if (report.broken_at !== null) return line("bad", `The chain is broken at line ${report.broken_at}: nothing from there on can be shown to be as it was sealed. ${issues.find((issue) => issue.line === report.broken_at)?.text ?? ""}`);
  if (report.torn > 0) return line("bad", `${many(report.torn, "line")} of the file ${report.torn === 1 ? "is no complete record" : "are no complete records"}, the first in line ${issues.find((issue) => issue.rule === "json" || issue.rule === "utf-8")?.line}; the others are linked and unchanged.`);
  return line("bad", `The records are linked and unchanged, but ${many(report.faults, "fault")} of form ${report.faults === 1 ? "is" : "are"} in them, the first in line ${issues[0]?.line}: ${issues[0]?.text}.`);
}

/** What is wrong between the records and what was signed of them; empty for nothing. @param {import("./chain.js").Chain} chain */
function contradiction(chain) {
  const { report, given, signed } = chain;
  if (chain.noteError) return `The checkpoint can't be read: ${chain.noteError}.`;
  const newest = signed.at(-1);
  if (!newest || !report || given.window?.places?.length) return "";
  for (let i = 1; i < signed.length; i++) {
    if (signed[i].generation < signed[i - 1].generation) return `Epoch ${signed[i].epoch} signed an earlier generation of the chain than the one before it.`;
    if (signed[i].generation === signed[i - 1].generation && signed[i].count < signed[i - 1].count) return `Epoch ${signed[i].epoch} signed fewer records (${signed[i].count}) than one before it.`;
  }
  const wrong = chain.states().find((one) => one.right === false);
  if (wrong) return `The first ${many(wrong.count, "record")} are not those that epoch ${wrong.epoch} signed, at ${showTime(wrong.millis)}: the chain was changed or made anew after that.`;
  const linked = report.records - report.torn;
  if (report.broken_at === null && newest.count > linked) return `Epoch ${newest.epoch}, at ${showTime(newest.millis)}, signed ${many(newest.count, "record")}, and ${linked.toLocaleString("en")} are here: ${many(newest.count - linked, "record")} ${newest.count - linked === 1 ? "is" : "are"} missing from the end.`;
  return report.broken_at !== null && newest.right === null ? "What was signed can't be held against a chain that is broken." : "";
}

/** Heads that a witness of the reference's kind has kept. @param {import("./chain.js").Chain} chain */
function witnessed(chain) {
  const answer = { lines: 0, wrong: "", most: 0 };
  const subject = chain.given.subject ?? null;
  for (const line of chain.given.witness ?? []) {
    let value;
    try {
      value = parseJson(line).value;
    } catch {
      value = null;
    }
    const [count, head] = [own(value, "count"), own(value, "head")];
    if (!Number.isSafeInteger(count) || typeof head !== "string") answer.wrong ||= "a line of the witness file is no checkpoint";
    else if ((own(value, "subject") ?? null) !== subject) continue;
    else {
      answer.lines++;
      answer.most = Math.max(answer.most, count);
      const is = chain.hasAt(count, head);
      if (is === null) answer.wrong ||= `a witness saw ${many(count, "record")}, and there are fewer`;
      else if (!is) answer.wrong ||= `a witness saw another record ${count}`;
    }
  }
  return answer;
}

/** @param {import("./chain.js").Chain} chain @param {Asked} asked */
async function policyOf({ note }, asked) {
  const answer = { isAsked: asked.policy.trim() !== "", taken: false, unchecked: false, why: "", at: /** @type {number | null} */ (null), names: /** @type {string[]} */ ([]), isWeak: false };
  if (!answer.isAsked) return answer;
  try {
    const policy = parsePolicy(asked.policy);
    answer.isWeak = hasDisjointQuorums(policy);
    if (!note) return { ...answer, why: "no checkpoint came with the records" };
    return { ...answer, ...(await checkPolicy(policy, note)) };
  } catch (error) {
    return { ...answer, why: `the policy can't be read: ${error instanceof Error ? error.message : error}` };
  }
}

/**
 * Five lines of verdict, and `code`, which is the exit code of `halod check` of the same.
 * @param {import("./chain.js").Chain} chain @param {Asked} asked
 */
export async function judge(chain, asked) {
  const [who, policy, seen] = [await signer(chain, asked), await policyOf(chain, asked), witnessed(chain)];
  const { checkpoint, given, signed, report, note } = chain;
  const [first, newest] = [signed[0], signed.at(-1)];
  const lines = [unchanged(chain)];
  const say = (/** @type {string} */ id, /** @type {Grade} */ grade, /** @type {string} */ text, /** @type {string} */ how) => lines.push({ id, grade, text, how });
  const isForged = who.signed === "forged" || who.signed === "wrong key";
  const byWhom = policy.at !== null ? `Witnesses that you trust: ${policy.names.join(", ")}, their quorum reached at ${showTime(policy.at * 1000)}.` : who.signed === "good" ? `Signed by ${who.name}, ${who.isPinned ? "the key that you named" : "a key that came with the records: compare its fingerprint with the one in your contract"}. Self-attested: ${note && note.signatures.length > 1 ? "there are lines of witnesses, which are checked when you bring a policy that names them" : "no witness was asked"}.` : who.signed === "unchecked" ? "Not checked here: this browser has no Ed25519 for a page like this. `halod check` checks it." : "";
  const unsigned = note && who.signed === "none" ? "The checkpoint names a log whose key you have to bring: its signature is not checked here." : "";
  const contradicts = contradiction(chain);
  if (contradicts !== "" || isForged || seen.wrong !== "" || (policy.isAsked && !policy.taken && !policy.unchecked)) {
    const why = [contradicts, isForged ? `The checkpoint is not signed by ${who.isPinned ? "the key that you named" : "the key beside it"}.` : "", seen.wrong && `The witness file contradicts the chain: ${seen.wrong}.`, policy.isAsked && !policy.taken && !policy.unchecked ? `The checkpoint is not as your policy demands: ${policy.why}.` : ""];
    say("removed", "bad", why.filter((text) => text !== "").join(" "), byWhom || unsigned);
  } else if (!newest) {
    say("removed", seen.lines > 0 ? "good" : "note", seen.lines > 0 ? `All ${many(seen.lines, "head")} that a witness kept are in the chain: nothing was removed from the first ${many(seen.most, "record")}.` : "Nobody says how many records there should be: records that were removed from the end are not missed here. Integrity only.", seen.lines > 0 ? "A witness file that came with the records. Whose it is, is for you to judge." : "No signed checkpoint came with the records.");
  } else {
    const of = given.window?.places?.length ? `The chain had ${many(newest.count, "record")} at ${showTime(newest.millis)}.` : `Nothing was removed or changed since ${showTime(first.millis)}: ${many(chain.states().length, "epoch")} from then to ${showTime(newest.millis)} signed what is here.`;
    say("removed", policy.at !== null || (who.signed === "good" && who.isPinned) ? "good" : "note", of, byWhom || unsigned);
  }
  if (chain.wrongSlots.length > 0) say("same", "bad", `What should show one place for this customer shows nothing: ${chain.wrongSlots[0]}.`, "Computed here: the way from the customer's id to the signed root.");
  else if (newest) say("same", isForged ? "bad" : policy.at !== null ? "good" : "note", `One place for this customer in the log ${checkpoint?.origin}, at ${many(signed.length, "epoch")}: ${policy.at !== null ? "whoever trusts these witnesses is shown the same chain." : "whoever is shown this log is shown the same chain. Another log for somebody else is ruled out by witnesses alone."}`, "Computed here: the one place that the id has in the map of all customers, up to the signed root.");
  else say("same", "note", "Nothing shows that others are shown the same chain.", "No place in a log came with the records.");
  if (newest) say("when", isForged || contradicts ? "note" : policy.at !== null ? "good" : "note", `The first ${many(newest.count, "record")} were sealed before ${showTime(policy.at !== null ? policy.at * 1000 : newest.millis)}${first !== newest ? `, the first ${first.count.toLocaleString("en")} of them before ${showTime(first.millis)}` : ""}.`, policy.at !== null ? "By the clocks of the witnesses, who saw the checkpoint then." : "By the clock of whoever recorded them. Witnesses or a time stamp would show it without that clock.");
  else say("when", "note", "Times are those that the records state.", "Nobody else has seen the records at a known time.");
  say("limits", "note", "This can't show that an action was recorded at all, that what senders said is true, or what was sealed after the newest checkpoint.", "LIMITS.md of halod has the whole list.");
  const expected = expectation(chain, asked.expect);
  const hasFindings = lines.some((line) => line.grade === "bad") || expected.grade === "bad" || chain.foreign > 0;
  const code = hasFindings ? 1 : report?.verdict === "empty" ? 3 : policy.at !== null ? 0 : 3;
  return { lines, expected, code, signer: who, isWeakPolicy: policy.isAsked && policy.isWeak, weak: weak(chain), origin: checkpoint?.origin ?? "", size: checkpoint?.size ?? 0, keyError: errorOf(() => asked.key.trim() && parseKey(asked.key.trim())), policyError: errorOf(() => asked.policy.trim() && parsePolicy(asked.policy)) };
}

/** @param {() => unknown} attempt */
function errorOf(attempt) {
  try {
    attempt();
    return "";
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
}

/** Whether it is about whom the reader expects. @param {import("./chain.js").Chain} chain @param {string | null} expect @returns {{grade: Grade, text: string}} */
function expectation({ given, foreign, subjects }, expect) {
  const subject = given.subject ?? null;
  const shown = subject === null ? "no customer (the local chain)" : subject;
  if (foreign > 0) return { grade: "bad", text: `${many(foreign, "record")} ${foreign === 1 ? "is" : "are"} not of ${shown}: ${[...subjects.keys()].filter((key) => key !== JSON.stringify(subject)).slice(0, 3).join(", ")}.` };
  if (expect === null || expect === "") return { grade: "note", text: "Type the id that you expect, to be sure that these records are about you." };
  if (expect === (subject ?? "_local")) return { grade: "good", text: "It is the id that you expect." };
  return { grade: "bad", text: `You expect ${expect}, and these records are of ${shown}.` };
}

/** What a reader should know: worst first. @param {import("./chain.js").Chain} chain @returns {{text: string, filter: any}[]} */
function weak(chain) {
  const { columns, report, signed } = chain;
  /** @type {{text: string, filter: any}[]} */
  const points = [];
  const add = (/** @type {string} */ text, /** @type {any} */ filter = null) => points.push({ text, filter });
  if (!report) return points;
  const kinds = new Map(columns.counts("kind", false));
  const flags = new Map(columns.counts("flags", false));
  const losses = kinds.get("loss") ?? 0;
  if (report.torn > 0) add(`${many(report.torn, "line")} that ${report.torn === 1 ? "is" : "are"} no complete record: not attested.`);
  if (losses > 0) add(`${many(losses, "record")} of the recorder's own ${losses === 1 ? "says" : "say"} that something was never captured.`, { column: "kind", word: "loss" });
  if (kinds.get("notice")) add(`${many(kinds.get("notice") ?? 0, "further notice")} of the recorder.`, { column: "kind", word: "notice" });
  if (flags.get("conflict")) add(`${many(flags.get("conflict") ?? 0, "record")} contradict${flags.get("conflict") === 1 ? "s" : ""} another account of the same action.`, { column: "flags", word: "conflict" });
  if (flags.get("unattested")) add(`${many(flags.get("unattested") ?? 0, "line")} not attested: behind a break of the chain, or no record.`, { column: "flags", word: "unattested" });
  if (flags.get("late")) add(`${many(flags.get("late") ?? 0, "record")} sealed more than 5 minutes after what ${flags.get("late") === 1 ? "it tells" : "they tell"} of ended.`, { column: "flags", word: "late" });
  if (flags.get("undisclosed")) add(`${many(flags.get("undisclosed") ?? 0, "record")} without content that the sender did not disclose.`, { column: "flags", word: "undisclosed" });
  if (report.backwards > 0) add(`${many(report.backwards, "record")} with an earlier time than the record before.`);
  if (report.unknown_parents > 0) add(`${many(report.unknown_parents, "record")} whose parent is no earlier record of the chain.`);
  for (const [capture, count] of columns.counts("capture", false)) if (capture === "ingested") add(`${many(count, "record")} told of afterwards by a sender (ingested), not seen by the recorder itself (captured).`);
  const newest = signed.at(-1);
  if (newest && report.records - report.torn > newest.count && !chain.given.window) add(`${many(report.records - report.torn - newest.count, "record")} newer than the newest checkpoint: nothing signed covers them yet.`);
  if (newest) add(`The newest checkpoint is ${showLength(Math.max(0, Date.now() - newest.millis))} old.`);
  return points;
}

/**
 * Whether what the reader kept earlier is in this chain: a record's proof, a checkpoint, a chain or a report with its records.
 * @param {import("./chain.js").Chain} chain @param {Blob} file @param {{name: string, records: Blob | null}} kept The records that a report has in it.
 * @returns {Promise<{grade: Grade, text: string}>}
 */
export async function compare(chain, file, { name, records }) {
  const answer = (/** @type {boolean | null} */ is, /** @type {string} */ what) => ({ grade: /** @type {Grade} */ (is ? "good" : "bad"), text: is ? `${what} is the same here.` : is === null ? `${what} is not here: the chain is shorter, or records were left out.` : `${what} is another one here: the chain is not the one that you kept.` });
  if (!records && file.size < 32 << 20 && !name.endsWith(".jsonl")) {
    const text = await file.text();
    if (text.startsWith("{")) {
      const { number, hash, tenant } = checkRecordProof(text);
      if (tenant !== (chain.given.subject ?? null)) return { grade: "bad", text: "The proof that you kept is of another customer's chain." };
      return answer(chain.hasAt(number, hash), `Record ${number}, whose proof you kept,`);
    }
    return compareNote(chain, text);
  }
  const verifier = new Verifier();
  const reader = (records ?? file).stream().getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) await verifier.push(read.value);
  const report = await verifier.finish();
  if (report.broken_at !== null || report.head === null) return { grade: "bad", text: "The chain that you kept is broken itself, or empty." };
  const count = report.records - report.torn;
  return answer(chain.hasAt(count, report.head), `The chain that you kept, with ${many(count, "record")},`);
}

/** @param {import("./chain.js").Chain} chain @param {string} text @returns {{grade: Grade, text: string}} */
function compareNote(chain, text) {
  const old = parseCheckpoint(parseNote(text).text);
  const now = chain.checkpoint;
  if (!now) return { grade: "bad", text: "No checkpoint came with these records." };
  if (old.origin !== now.origin) return { grade: "bad", text: `The checkpoint that you kept is of the log ${old.origin}, and this is ${now.origin}: another log.` };
  if (old.size > now.size) return { grade: "bad", text: `The checkpoint that you kept has ${old.size} entries, and this log has ${now.size}: it was put back to an older copy.` };
  const shown = (chain.given.consistency ?? []).find((/** @type {any} */ one) => isObject(one) && one.old === old.size);
  const path = old.size === now.size ? [] : shown ? partHashes(fromBase64(String(shown.path)) ?? new Uint8Array(1)) : null;
  if (!path) return { grade: "note", text: "Nothing here shows that the log continues the checkpoint that you kept: have the report made with `--since` and that checkpoint." };
  const is = old.size === now.size ? sameBytes(old.root, now.root) : isConsistent(old, now, path);
  return is ? { grade: "good", text: `The log continues the checkpoint that you kept: its first ${many(old.size, "entry").replace(/ys$/, "ies")} are the same.` } : { grade: "bad", text: "The log does not continue the checkpoint that you kept: two histories were signed. Keep both: together they are evidence." };
}
