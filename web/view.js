// What happened: counts from verified records, each a way to its records.

import { byId, cut, foreignText, make, wordButton } from "./dom.js";
import { showTime } from "./time.js";

/** @param {number} count @param {string} one @param {string} more */
function count(count, one, more) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

/** The answer in one sentence: which agents, how many actions, sessions and people, what failed, what was written. @param {any} summary */
export function answerOf(summary) {
  const kinds = new Map(summary.kinds);
  const outcomes = new Map(summary.outcomes);
  const number = (/** @type {Map<any, any>} */ of, /** @type {string} */ key) => /** @type {number} */ (of.get(key) ?? 0);
  const actions = ["model call", "tool call", "retrieval", "data access", "read", "write", "network"].reduce((sum, kind) => sum + number(kinds, kind), 0);
  const period = summary.first <= summary.last ? `From ${showTime(summary.first)} to ${showTime(summary.last)}, as senders say, ` : summary.firstSealed <= summary.lastSealed ? `Sealed from ${showTime(summary.firstSealed)} to ${showTime(summary.lastSealed)}: ` : "";
  const agents = summary.agents.total > 0 ? count(summary.agents.total, "agent", "agents") : "agents without a name";
  const parts = [
    `${period}${agents} did ${count(actions, "action", "actions")} in ${count(summary.sessions.total, "session", "sessions")}${summary.people.total > 0 ? ` for ${count(summary.people.total, "person or account", "people or accounts")}` : ", for nobody who is named"}`,
    `${count(number(kinds, "model call"), "model call", "model calls")} and ${count(number(kinds, "tool call"), "tool call", "tool calls")}`,
    `${count(number(outcomes, "error"), "action", "actions")} failed and ${count(number(outcomes, "denied"), "was", "were")} refused`,
    `${count(number(kinds, "write"), "write", "writes")}`,
    `${count(summary.flags.personal ?? 0, "action", "actions")} with personal data`,
  ];
  return `${parts.join("; ")}.`;
}

/** @param {any} summary @param {(filter: any, words: string) => void} choose */
export function showHappened(summary, choose) {
  byId("answer").replaceChildren(answerOf(summary));
  const group = (/** @type {string} */ title, /** @type {string} */ column, /** @type {[string, number][]} */ counts, /** @type {any} */ more, total = counts.length) => {
    const item = (/** @type {[string, number]} */ [word, number]) => make("li", {}, wordButton(foreignText(cut(word, 80)), () => choose({ column, word, ...more }, `${title}: ${cut(word, 80)}`)), ` ${number.toLocaleString("en")}`);
    const items = counts.length > 0 ? counts.map(item) : [make("li", {}, "none")];
    if (total > counts.length) items.push(make("li", {}, `and ${(total - counts.length).toLocaleString("en")} more`));
    return make("div", { "data-group": column }, make("h3", {}, title), make("ul", {}, ...items));
  };
  const of = (/** @type {string} */ title, /** @type {string} */ column, /** @type {any} */ counts, only = true) => group(title, column, counts.of, only ? { only: "actions" } : {}, counts.total);
  const outcomes = new Map(summary.outcomes);
  const failed = Number(outcomes.get("error") ?? 0) + Number(outcomes.get("denied") ?? 0);
  const concerns = /** @type {[string, string, string, number][]} */ ([["failed or refused", "outcome", "failed or refused", failed], ["with personal data", "flags", "personal", summary.flags.personal ?? 0], ["never captured", "kind", "loss", Number(new Map(summary.kinds).get("loss") ?? 0)], ["sealed late", "flags", "late", summary.flags.late ?? 0]]);
  const concern = make("div", { "data-group": "concerns" }, make("h3", {}, "To look at first"), make("ul", {}, ...concerns.map(([title, column, word, number]) => make("li", {}, wordButton(title, () => choose({ column, word }, title)), ` ${number.toLocaleString("en")}`))));
  byId("groups").replaceChildren(concern, group("What was done", "kind", summary.kinds, {}), of("Days", "day", summary.days), group("How it ended", "outcome", summary.outcomes, { only: "actions" }), of("Who allowed it", "allowed", summary.allowed, false), of("Tools", "tool", summary.tools), of("Models", "model", summary.models), of("Agents", "agent", summary.agents), of("For whom", "person", summary.people), of("Findings", "findings", summary.findings, false), of("Sessions", "session", summary.sessions));
}

/** What a selection is made of. @param {any} selected */
export function showMadeOf(selected) {
  const facts = /** @type {[string, [string, number][]][]} */ ([["Tools", selected.tools], ["For whom", selected.people], ["Who allowed it", selected.allowed]]);
  const texts = facts.flatMap(([title, counts]) => (counts.length === 0 ? [] : [make("dt", {}, title), make("dd", {}, ...counts.flatMap(([word, number], at) => [at > 0 ? ", " : "", foreignText(cut(word, 60)), ` (${number.toLocaleString("en")})`]))]));
  byId("made-of").replaceChildren(...texts);
}
