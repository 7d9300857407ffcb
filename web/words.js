// What a record says, in the words of a reviewer.

import { at, isObject, own } from "./json.js";
import { millis } from "./time.js";

/** What kind of thing a record tells of. Calls are counted once: by records that are no "account". */
export const KINDS = /** @type {const} */ (["model call", "tool call", "retrieval", "data access", "read", "write", "network", "message", "loss", "notice", "account", "content", "score"]);
/** @typedef {typeof KINDS[number]} Kind */

/** @param {any} value @returns {string} Empty for anything but a text. */
function text(value) {
  return typeof value === "string" ? value : "";
}

/** @param {any} record @returns {Kind} */
export function kindOf(record) {
  const tool = text(at(record, "action", "tool"));
  if (tool === "halod.gap") return "loss";
  if (tool.startsWith("halod.")) return "notice";
  if (tool.startsWith("corroborates:") || at(record, "data", "amends") !== undefined || own(record, "conflicts_with") !== undefined) return "account";
  if (tool === "agent.content") return "content";
  if (at(record, "data", "score") !== undefined) return "score";
  if (at(record, "data", "access") !== undefined) return "data access";
  if (tool === "model.generate" || tool === "model.embed") return "model call";
  if (tool.startsWith("retrieve:")) return "retrieval";
  switch (at(record, "action", "type")) {
    case "tool_call":
      return "tool call";
    case "read":
    case "write":
    case "network":
      return at(record, "action", "type");
  }
  return "message";
}

/** Kinds that are things an agent did. @param {Kind} kind */
export function isAction(kind) {
  return ["model call", "tool call", "retrieval", "data access", "read", "write", "network"].includes(kind);
}

/** When the sender says that it happened; when nobody says so, NaN. @param {any} record */
export function happenedAt(record) {
  const started = millis(at(record, "data", "started_at"));
  return Number.isNaN(started) ? millis(at(record, "data", "ended_at")) : started;
}

/** What is sealed so much later than it happened is marked. */
export const LATE = 5 * 60e3;

/** How much later than it ended a record was sealed, in milliseconds; 0 where that is not known. @param {any} record */
export function lateness(record) {
  const ended = millis(at(record, "data", "ended_at"));
  const from = Number.isNaN(ended) ? happenedAt(record) : ended;
  const late = millis(own(record, "ts")) - from;
  return late > 0 ? late : 0;
}

/** @param {any} record @returns {"ok" | "error" | "denied" | "unfinished" | "unknown"} */
export function outcomeOf(record) {
  const status = at(record, "outcome", "status");
  if (status === "error" || status === "denied") return status;
  if (at(record, "action", "authorization", "decision") === "denied") return "denied";
  if (at(record, "data", "unfinished") === true || at(record, "data", "outcome") === "unfinished") return "unfinished";
  return status === "ok" ? "ok" : "unknown";
}

/** @param {any} record Who is said to have wanted it. */
export function personOf(record) {
  return text(at(record, "principal", "human_id")) || text(at(record, "principal", "creator_id")) || text(at(record, "principal", "service_account"));
}

/** @param {any} record */
export function agentOf(record) {
  const name = text(at(record, "agent", "name"));
  return name === "unknown" ? "" : name || text(at(record, "agent", "id"));
}

/** What it was done with, without what halod puts before a tool's name. @param {any} record */
export function toolOf(record) {
  return text(at(record, "action", "tool")).replace(/^(corroborates|claimed):/, "");
}

/** Who or what let it happen, as the sender says. @param {any} record */
export function allowedBy(record) {
  const decision = text(at(record, "action", "authorization", "decision"));
  const approver = text(at(record, "action", "authorization", "approver"));
  if (decision === "human_approved") return approver ? `a person: ${approver}` : "a person who is not named";
  if (decision === "denied") return approver ? `refused by ${approver}` : "refused";
  if (decision === "allowed") return approver || "a rule";
  return "";
}

/** Findings as types with severities, the same for the same. @param {any} record @returns {{type: string, severity: string}[]} */
export function findingsOf(record) {
  const findings = own(record, "findings");
  if (!Array.isArray(findings)) return [];
  return findings.filter(isObject).map((one) => ({ type: text(own(one, "type")), severity: text(own(one, "severity")) }));
}

/** Whether it tells of personal data: by the sender's word or by what was found in it. @param {any} record */
export function hasPersonalData(record) {
  const types = at(record, "data", "pii_types");
  if (Array.isArray(types) && types.length > 0) return true;
  return findingsOf(record).some(({ type }) => /^(iban|credit_card|ssn|email|phone|pii.*)$/.test(type));
}

/** @param {any} record One sentence of what was done. */
export function sentenceOf(record) {
  const tool = toolOf(record) || "something without a name";
  const model = text(at(record, "agent", "model"));
  switch (kindOf(record)) {
    case "model call":
      return `Asked the model ${model || "that is not named"}`;
    case "tool call":
      return `Called ${tool}`;
    case "retrieval":
      return `Searched ${tool.replace(/^retrieve:/, "")}`;
    case "data access":
      return `Reached ${tool}`;
    case "read":
      return `Read with ${tool}`;
    case "write":
      return `Wrote with ${tool}`;
    case "network":
      return `Reached ${tool}`;
    case "loss":
      return "Something was not recorded";
    case "notice":
      return `The recorder says: ${tool}`;
    case "account":
      return `Further word of ${tool}`;
    case "content":
      return "What an action was given or gave";
    case "score":
      return "What somebody thought of an action";
  }
  return `Message: ${tool}`;
}

/** What it was done on, as far as it is disclosed. @param {any} record */
export function onWhat(record) {
  const input = text(at(record, "action", "input", "summary"));
  if (input) return input;
  const hash = text(at(record, "action", "input", "hash"));
  return hash ? "not disclosed; its hash is kept" : text(at(record, "outcome", "summary"));
}

/** @param {any} record Members of content that were not disclosed. @returns {string[]} */
export function undisclosedOf(record) {
  const undisclosed = at(record, "data", "undisclosed");
  return Array.isArray(undisclosed) ? undisclosed.map(text) : [];
}

/**
 * What a list shows of a record.
 * @param {any} record @param {{row: number, number: number, isVerified: boolean}} place
 */
export function shortOf(record, { row, number, isVerified }) {
  return {
    row, number, isVerified, happened: happenedAt(record), sealed: millis(own(record, "ts")), late: lateness(record), kind: kindOf(record),
    action: record === undefined ? "A line that is no record" : sentenceOf(record), on: onWhat(record), outcome: outcomeOf(record), allowed: allowedBy(record),
    findings: findingsOf(record).map(({ type, severity }) => `${type} (${severity.toLowerCase()})`), id: own(record, "record_id") ?? "", parent: own(record, "parent_id") ?? "",
  };
}
