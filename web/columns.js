// What is kept of each verified record, in some 110 bytes: where it is, its hash, and what it is filtered and counted by.

import { at, own } from "./json.js";
import { KINDS, agentOf, allowedBy, findingsOf, happenedAt, hasPersonalData, isAction, kindOf, lateness, outcomeOf, personOf, toolOf } from "./words.js";
import { millis } from "./time.js";
import { unhex } from "./bytes.js";

export const OUTCOMES = ["ok", "error", "denied", "unfinished", "unknown"];

/** Different words that a column tells apart; what comes after is "more". */
const WORDS = 1 << 16;

/** A column of words: each is kept once. */
class WordColumn {
  constructor() {
    this.words = [""];
    /** @type {Map<string, number>} */
    this.codes = new Map([["", 0]]);
    this.at = new Uint32Array(1024);
  }

  /** @param {number} row @param {string} word */
  set(row, word) {
    if (row >= this.at.length) this.at = grown(this.at);
    let code = this.codes.get(word);
    if (code === undefined) {
      if (this.words.length >= WORDS) word = "more";
      code = this.codes.get(word) ?? this.words.push(word) - 1;
      this.codes.set(word, code);
    }
    this.at[row] = code;
  }

  /** @param {number} row */
  get(row) {
    return this.words[this.at[row]];
  }
}

/** @template {Uint8Array | Uint32Array | Float64Array} T @param {T} old @returns {T} */
function grown(old) {
  const next = /** @type {T} */ (new /** @type {any} */ (old.constructor)(old.length * 2));
  next.set(/** @type {any} */ (old));
  return next;
}

/** What rows are filtered by; `text` is looked for in the records themselves. */
/** @typedef {{column?: string, word?: string, from?: number, to?: number, text?: string, rows?: number[], only?: string}} Filter */

export class Columns {
  constructor() {
    this.rows = 0;
    this.offsets = new Float64Array(1024);
    this.lengths = new Uint32Array(1024);
    /** Unix milliseconds; NaN for none. */
    this.happened = new Float64Array(1024);
    this.sealed = new Float64Array(1024);
    /** Of each record that is attested its hash, else zeros: a second reading of the file is held against it. */
    this.hashes = new Uint8Array(32 * 1024);
    this.words = Object.fromEntries(["kind", "outcome", "tool", "agent", "model", "session", "person", "allowed", "findings", "capture", "day", "flags", "losses"].map((name) => [name, new WordColumn()]));
  }

  /** @param {import("./verify.js").Line} line A record, or a line that is none. */
  add(line) {
    const row = this.rows++;
    if (row >= this.offsets.length) {
      this.offsets = grown(this.offsets);
      this.lengths = grown(this.lengths);
      this.happened = grown(this.happened);
      this.sealed = grown(this.sealed);
      this.hashes = grown(this.hashes);
    }
    const record = line.value;
    const happened = happenedAt(record);
    this.offsets[row] = line.offset;
    this.lengths[row] = line.length;
    this.happened[row] = happened;
    this.sealed[row] = millis(own(record, "ts"));
    this.hashes.set(unhex(line.hash) ?? [], 32 * row);
    const kind = line.link === "record" ? kindOf(record) : "";
    const flags = [hasPersonalData(record) && isAction(/** @type {any} */ (kind)) ? "personal" : "", at(record, "data", "undisclosed") !== undefined ? "undisclosed" : "", lateness(record) > 5 * 60e3 ? "late" : "", line.hash ? "" : "unattested", own(record, "conflicts_with") !== undefined || at(record, "data", "contradicts") !== undefined ? "conflict" : ""];
    const day = Number.isNaN(happened) ? this.sealed[row] : happened;
    const findings = [...new Set(findingsOf(record).map(({ type, severity }) => `${type} ${severity}`))].sort().join(", ");
    const values = {
      kind,
      outcome: outcomeOf(record),
      tool: toolOf(record),
      agent: agentOf(record),
      model: String(at(record, "agent", "model") ?? ""),
      session: String(own(record, "session_id") ?? ""),
      person: personOf(record),
      allowed: allowedBy(record),
      findings,
      capture: String(at(record, "source", "capture") ?? ""),
      day: Number.isNaN(day) ? "" : new Date(day).toISOString().slice(0, 10),
      flags: flags.filter((flag) => flag !== "").join(" "),
      losses: kind === "loss" ? String(at(record, "outcome", "summary") ?? at(record, "data", "reason") ?? "") : "",
    };
    for (const [name, value] of Object.entries(values)) this.words[name].set(row, value);
  }

  /** Whether a row is one of a thing that an agent did. @param {number} row */
  isAction(row) {
    return isAction(/** @type {any} */ (this.words.kind.get(row)));
  }

  /** @param {Filter} filter @returns {Uint32Array} Rows that fit, in the chain's order. */
  select({ column, word, from, to, rows, only }) {
    const found = rows ? Uint32Array.from(rows) : Uint32Array.from({ length: this.rows }, (_, row) => row);
    return found.filter((row) => {
      if (column !== undefined && word !== undefined && !this.fits(row, column, word)) return false;
      if (only === "actions" && !this.isAction(row)) return false;
      const time = Number.isNaN(this.happened[row]) ? this.sealed[row] : this.happened[row];
      return !(from !== undefined && !(time >= from)) && !(to !== undefined && !(time < to));
    });
  }

  /** @param {number} row @param {string} column @param {string} word */
  fits(row, column, word) {
    const own = this.words[column].get(row);
    if (column === "findings") return word === "*" ? own !== "" : own.split(", ").includes(word);
    if (column === "flags") return own.split(" ").includes(word);
    if (column === "outcome") return word === "failed or refused" ? (own === "error" || own === "denied") && this.isAction(row) : own === word && this.isAction(row);
    if (column === "allowed" && word === "*") return own !== "";
    return own === word;
  }

  /** How often each word stands in a column, the most frequent first. @param {string} column @param {boolean} onlyActions */
  counts(column, onlyActions = true) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (let row = 0; row < this.rows; row++) {
      if (onlyActions && !this.isAction(row)) continue;
      const word = this.words[column].get(row);
      const parts = column === "findings" ? word.split(", ") : column === "flags" ? word.split(" ") : [word];
      for (const part of parts) if (part !== "") counts.set(part, (counts.get(part) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }

  /** What a selection is made of, for the reader to see at a glance. @param {Uint32Array} rows @param {string} column */
  madeOf(rows, column) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const row of rows) {
      const word = this.words[column].get(row);
      if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 12);
  }

  summary() {
    let [first, last, firstSealed, lastSealed, untimed] = [Infinity, -Infinity, Infinity, -Infinity, 0];
    for (let row = 0; row < this.rows; row++) {
      const [happened, sealed] = [this.happened[row], this.sealed[row]];
      if (Number.isNaN(happened)) untimed++;
      else [first, last] = [Math.min(first, happened), Math.max(last, happened)];
      if (!Number.isNaN(sealed)) [firstSealed, lastSealed] = [Math.min(firstSealed, sealed), Math.max(lastSealed, sealed)];
    }
    const top = (/** @type {string} */ column, onlyActions = true) => this.counts(column, onlyActions);
    const shown = (/** @type {[string, number][]} */ counts) => ({ total: counts.length, of: counts.slice(0, 50) });
    return {
      first, last, firstSealed, lastSealed, untimed,
      records: this.rows,
      kinds: top("kind", false).filter(([kind]) => KINDS.includes(/** @type {any} */ (kind))),
      outcomes: top("outcome"),
      tools: shown(top("tool")), agents: shown(top("agent")), models: shown(top("model")), sessions: shown(top("session")), people: shown(top("person")), days: shown(top("day")),
      allowed: shown(top("allowed", false)), findings: shown(top("findings", false)), captures: top("capture", false), flags: Object.fromEntries(top("flags", false)),
      losses: shown(top("losses", false)),
    };
  }
}
