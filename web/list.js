// The list of records, 200 at a time, so that the page stays as small as its table.

import { byId, cut, foreignText, make, wordButton } from "./dom.js";
import { showLength, showTime } from "./time.js";
import { LATE } from "./words.js";

export const PAGE_ROWS = 200;

/** @param {any} row @param {(row: number) => void} pick */
function tableRow(row, pick) {
  const text = (/** @type {string} */ word) => make("td", {}, foreignText(cut(word)));
  const sealed = make("td", { class: "time" }, showTime(row.sealed));
  if (row.late > LATE) sealed.append(make("span", { class: "late" }, `late: ${showLength(row.late)} after`));
  const action = wordButton(foreignText(cut(row.action)), () => pick(row.row));
  if (row.kind === "account") action.append(" (counts as no call)");
  const outcome = make("td", { class: row.outcome }, { ok: "ok", error: "failed", denied: "refused", unfinished: "unfinished", unknown: "not said" }[/** @type {"ok"} */ (row.outcome)]);
  const number = make("td", {}, String(row.number), ...(row.isVerified ? [] : [make("span", { class: "late" }, "not attested")]));
  const happened = make("td", { class: "time" }, Number.isNaN(row.happened) ? "not said" : showTime(row.happened));
  const line = make("tr", { "data-row": String(row.row) }, number, happened, sealed, make("td", {}, action), text(row.on), outcome, text(row.allowed), text(row.findings.join(", ")));
  return line;
}

/** @param {any[]} rows @param {(row: number) => void} pick */
export function showRows(rows, pick) {
  byId("rows").replaceChildren(...rows.map((row) => tableRow(row, pick)));
}

/** Moves among the rows of the table by the arrow keys. @param {KeyboardEvent} event */
export function moveByKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const line = /** @type {Element} */ (event.target).closest("tr");
  if (!step || !line) return;
  const other = step === 1 ? line.nextElementSibling : line.previousElementSibling;
  const button = other?.querySelector("button");
  if (button) {
    event.preventDefault();
    button.focus();
  }
}

/** A trace as a tree: what each record hangs on is above it. @param {any[]} rows @param {(row: number) => void} pick */
export function treeOf(rows, pick) {
  const byName = new Map(rows.map((row) => [row.id, row]));
  /** @type {Map<any, any[]>} */
  const below = new Map();
  for (const row of rows) {
    const above = byName.get(row.parent);
    const key = above && above.row < row.row ? above : null;
    below.set(key, [...(below.get(key) ?? []), row]);
  }
  const list = (/** @type {any} */ above, /** @type {number} */ depth) => {
    const items = (below.get(above) ?? []).map((row) => {
      const outcome = row.outcome === "error" ? " (failed)" : row.outcome === "denied" ? " (refused)" : "";
      const item = make("li", {}, `${showTime(Number.isNaN(row.happened) ? row.sealed : row.happened)} `, wordButton(foreignText(cut(row.action)), () => pick(row.row)), outcome);
      // Deeper than that nobody reads; what hangs there is shown flat.
      if (below.has(row) && depth < 50) item.append(list(row, depth + 1));
      return item;
    });
    return make("ul", { class: "tree" }, ...items);
  };
  return list(null, 0);
}

/** The table as CSV, cells that a spreadsheet would compute kept as texts. @param {any[]} rows */
export function csvOf(rows) {
  const cell = (/** @type {unknown} */ value) => {
    const text = String(value);
    return `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
  };
  const time = (/** @type {number} */ at) => (Number.isNaN(at) ? "" : showTime(at));
  const head = ["number", "record_id", "happened", "sealed", "action", "on_what", "outcome", "allowed_by", "findings", "attested"];
  const lines = rows.map((row) => [row.number, row.id, time(row.happened), time(row.sealed), row.action, row.on, row.outcome, row.allowed, row.findings.join("; "), row.isVerified]);
  return [head, ...lines].map((line) => line.map(cell).join(",") + "\r\n").join("");
}
