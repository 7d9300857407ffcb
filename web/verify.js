// Whether a chain is intact: the rules and the verdict of `halod verify`, which are the reference's.

import { hex, utf8 } from "./bytes.js";
import { sha256All } from "./sha256.js";
import { CanonError, canonicalRecord } from "./canon.js";
import { JsonError, isObject, own, parseJson } from "./json.js";
import { checkNumbers, checkSchema } from "./schema.js";
import { instant } from "./time.js";
import { Ids } from "./ids.js";

/** The longest line that is looked at. */
const MAX_LINE = 64 << 20;
/** Issues told of one line, which may have millions, and lines named of one kind at the end. */
const TOLD_PER_LINE = 20;
const NAMED = 100;
/** Lines, and bytes of them, that are hashed together. */
const BATCH_LINES = 512;
const BATCH_BYTES = 1 << 20;

/** @typedef {{line: number, rule: string, text: string}} Issue */
/**
 * One line that is not blank.
 * @typedef {object} Line
 * @property {number} number From 1, blank lines counted too.
 * @property {number} offset Of its first byte.
 * @property {number} length In bytes, without the line feed.
 * @property {"torn" | "broken" | "record"} link
 * @property {any} value What it says; undefined where it is torn.
 * @property {Uint8Array | null} preimage What its hash is over.
 * @property {string} why There is no preimage.
 * @property {{seconds: number, nanos: number} | null} time
 * @property {string} id Empty for none.
 * @property {string} parent
 * @property {Issue[]} issues
 * @property {number} untold
 * @property {string} hash Its own, in hexadecimal digits, while the chain is unbroken; else empty.
 */
/**
 * @typedef {object} Report
 * @property {"intact" | "broken" | "empty"} verdict
 * @property {number} records
 * @property {number} torn
 * @property {number} faults
 * @property {number} backwards
 * @property {number} parents
 * @property {number} unknown_parents
 * @property {number | null} broken_at
 * @property {string | null} head
 * @property {number} bytes
 */

export class LineTooLong extends Error {}

const BLANK = /^[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;
const DIGEST = /^[0-9a-f]{64}$/;
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A record as it is read: quickly where the line is canonical, else by all rules.
 * @param {string} text @throws {JsonError}
 */
export function readRecord(text) {
  const quick = canonicalLine(text);
  if (quick) return { ...quick, duplicate: null, hasSafeNumbers: true, why: "" };
  const { value, duplicate, hasSafeNumbers } = parseJson(text);
  /** @type {string | null} */
  let bare = null;
  let why = "";
  try {
    if (isObject(value)) bare = canonicalRecord(value)[1];
  } catch (error) {
    if (!(error instanceof CanonError)) throw error;
    why = error.message;
  }
  return { value, bare, duplicate, hasSafeNumbers, why };
}

/**
 * The browser's own parser drops what tells two readings of a line apart; but what it drops is not canonical, so a line that is its own
 * canonical form has lost nothing.
 * @param {string} text
 */
function canonicalLine(text) {
  if (!text.startsWith("{")) return null;
  try {
    const value = JSON.parse(text);
    const [whole, bare] = canonicalRecord(value);
    return whole === text ? { value, bare } : null;
  } catch {
    return null;
  }
}

/** @param {number} number @param {number} offset @param {Uint8Array} bytes @returns {Line | null} `null` for a blank line. */
function checkLine(number, offset, bytes) {
  /** @type {Line} */
  const line = { number, offset, length: bytes.length, link: "torn", value: undefined, preimage: null, why: "", time: null, id: "", parent: "", issues: [], untold: 0, hash: "" };
  const tell = (/** @type {string} */ rule, /** @type {string} */ text) => line.issues.push({ line: number, rule, text });
  let text;
  try {
    text = STRICT_UTF8.decode(bytes);
  } catch {
    tell("utf-8", "the line is not UTF-8");
    return line;
  }
  if (!text.startsWith("{") && BLANK.test(text)) return null;
  let read;
  try {
    read = readRecord(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    tell("json", `not a complete record: ${error.message}`);
    return line;
  }
  const { value, bare, duplicate, hasSafeNumbers, why } = read;
  line.value = value;
  if (duplicate !== null) tell("repeated-key", `the key ${JSON.stringify(duplicate.slice(0, 80))} stands twice in one object: readers disagree on which counts`);
  const wrong = wrongForm(value);
  if (wrong) {
    tell("form", `${wrong} is of the wrong type`);
    line.link = "broken";
    return line;
  }
  line.id = own(value, "record_id") ?? "";
  line.parent = own(value, "parent_id") ?? "";
  line.time = instant(own(value, "ts"));
  let told = 0;
  const tellOf = (/** @type {string} */ rule) => (/** @type {string} */ path) => {
    if (++told > TOLD_PER_LINE) line.untold++;
    else tell(rule, `${path || "the record"} ${rule === "number" ? "cannot be hashed the same everywhere" : "is not as schema 0.1 has it"}`);
  };
  checkSchema(value, tellOf("schema"));
  if (!hasSafeNumbers) checkNumbers(value, tellOf("number"));
  line.link = "record";
  line.preimage = bare === null ? null : utf8(bare);
  line.why = why;
  return line;
}

/** The first thing whose type leaves nothing to hash. @param {any} value */
function wrongForm(value) {
  if (!isObject(value)) return "the line";
  const integrity = own(value, "integrity");
  if (integrity !== undefined && !isObject(integrity)) return "integrity";
  for (const key of ["record_id", "parent_id"]) {
    const id = own(value, key);
    if (id !== undefined && typeof id !== "string") return key;
  }
  return "";
}

/** Verifies a chain that comes in pieces. */
export class Verifier {
  /** @param {{issue?: (issue: Issue) => void, line?: (line: Line, ordinal: number) => void}} observer Lines come in order, linked. */
  constructor(observer = {}) {
    this.observer = observer;
    /** @type {Uint8Array[]} The begin of a line whose end has not come. */
    this.carry = [];
    this.carried = 0;
    this.number = 1;
    this.offset = 0;
    /** @type {Line[]} */
    this.batch = [];
    this.batched = 0;
    this.expected = "0".repeat(64);
    /** @type {{seconds: number, nanos: number} | null} */
    this.last = null;
    this.ids = new Ids();
    /** @type {[number, number][]} */
    this.repeats = [];
    this.repeated = 0;
    /** @type {number[]} */
    this.orphans = [];
    /** @type {Report} */
    this.report = { verdict: "empty", records: 0, torn: 0, faults: 0, backwards: 0, parents: 0, unknown_parents: 0, broken_at: null, head: null, bytes: 0 };
  }

  /** @param {Uint8Array} bytes */
  async push(bytes) {
    this.report.bytes += bytes.length;
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(10, from);
      if (end < 0) break;
      this.take(bytes.subarray(from, end), 1);
      from = end + 1;
      if (this.batch.length >= BATCH_LINES || this.batched >= BATCH_BYTES) await this.link();
    }
    if (from < bytes.length) {
      this.carry.push(bytes.slice(from));
      this.carried += bytes.length - from;
      if (this.carried > MAX_LINE) throw new LineTooLong(`line ${this.number} is longer than ${MAX_LINE >> 20} MiB: it is not a record`);
    }
  }

  /** @param {Uint8Array} end The line, or what is left of it. @param {number} feed Bytes of its line feed. */
  take(end, feed) {
    let bytes = end;
    if (this.carried > 0) {
      bytes = new Uint8Array(this.carried + end.length);
      let at = 0;
      for (const part of [...this.carry, end]) {
        bytes.set(part, at);
        at += part.length;
      }
      this.carry = [];
      this.carried = 0;
    }
    const mark = this.offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    const line = checkLine(this.number, this.offset + mark, bytes.subarray(mark));
    this.number++;
    this.offset += bytes.length + feed;
    if (!line) return;
    this.batch.push(line);
    this.batched += line.length;
  }

  async link() {
    const batch = this.batch;
    this.batch = [];
    this.batched = 0;
    const texts = batch.flatMap((line) => (line.preimage ? [line.preimage] : []));
    const hashes = await sha256All(texts);
    let next = 0;
    for (const line of batch) this.linkOne(line, line.preimage ? hex(hashes[next++]) : null);
  }

  /** @param {Line} line @param {string | null} computed */
  linkOne(line, computed) {
    const { report } = this;
    line.preimage = null;
    line.issues.forEach((issue) => this.tell(issue));
    report.faults += line.untold;
    report.records++;
    if (line.link === "torn") report.torn++;
    else if (line.link === "broken") this.breakAt(line.number);
    else if (report.broken_at === null) this.linkHashes(line, computed);
    if (line.time) {
      const { last, time } = { last: this.last, time: line.time };
      if (last && (time.seconds < last.seconds || (time.seconds === last.seconds && time.nanos < last.nanos))) {
        report.backwards++;
        this.tell({ line: line.number, rule: "time", text: "ts is earlier than that of the record before; the order of the chain counts" });
      }
      this.last = time;
    }
    if (line.parent !== "") {
      report.parents++;
      if (this.ids.line(line.parent) === 0) {
        report.unknown_parents++;
        if (this.orphans.length < NAMED) this.orphans.push(line.number);
      }
    }
    if (line.id !== "") {
      const first = this.ids.add(line.id, line.number);
      if (first !== 0) {
        this.repeated++;
        if (this.repeats.length < NAMED) this.repeats.push([line.number, first]);
      }
    }
    this.observer.line?.(line, report.records);
  }

  /** @param {Line} line @param {string | null} computed */
  linkHashes(line, computed) {
    const integrity = own(line.value, "integrity");
    const [declared, stored] = [own(integrity, "prev_hash"), own(integrity, "hash")];
    const declaredFits = declared === this.expected;
    const contentFits = computed !== null && typeof stored === "string" && DIGEST.test(stored) && stored === computed;
    if (declaredFits && contentFits) {
      this.expected = computed;
      this.report.head = computed;
      line.hash = computed;
      return;
    }
    if (!declaredFits) {
      const text = "prev_hash is not the hash of the record before" + (contentFits ? "; this record is intact over the predecessor it declares, so one before it is missing, moved or changed" : "");
      this.tell({ line: line.number, rule: "prev-hash", text });
    }
    if (computed === null) this.tell({ line: line.number, rule: "hash", text: `the record cannot be hashed: ${line.why}` });
    else if (!contentFits) this.tell({ line: line.number, rule: "hash", text: "the stored hash is not the hash of the content" });
    this.breakAt(line.number);
  }

  /** @param {number} line */
  breakAt(line) {
    this.report.broken_at ??= line;
    this.report.head = null;
  }

  /** @param {Issue} issue */
  tell(issue) {
    if (issue.rule !== "time" && issue.rule !== "parent") this.report.faults++;
    this.observer.issue?.(issue);
  }

  /** @returns {Promise<Report>} */
  async finish() {
    if (this.carried > 0) this.take(new Uint8Array(0), 0);
    await this.link();
    const { report } = this;
    for (const [line, first] of this.repeats) {
      this.tell({ line, rule: "repeated-id", text: `record_id was already used in line ${first}` });
    }
    report.faults += this.repeated - this.repeats.length;
    for (const line of this.orphans) this.tell({ line, rule: "parent", text: "parent_id is not the id of an earlier record" });
    report.verdict = report.faults > 0 ? "broken" : report.records === 0 ? "empty" : "intact";
    return report;
  }
}
