// A chain that is being read: verified record by record, held against what was signed of it, and asked about.

import { fromBase64, hex, sameBytes, unhex, utf8 } from "./bytes.js";
import { sha256 } from "./sha256.js";
import { Columns } from "./columns.js";
import { own } from "./json.js";
import { parseCheckpoint, parseNote } from "./note.js";
import { checkSlot, parseSlot, recordProofText } from "./proof.js";
import { Edge, inclusionPath, isIncluded, partHashes, treeLeaf } from "./tree.js";
import { Verifier, readRecord } from "./verify.js";
/** Issues that are kept of a chain. */
const KEPT = 100;

/** @typedef {import("./proof.js").State & {epoch: number, millis: number, index: number, right: boolean | null}} Signed What an epoch signed; `right` once so many records were read. */
/** @typedef {{row: number, number: number, offset: number, text: string, record: any, hash: string, isVerified: boolean}} Row */

export class Chain {
  /** @param {import("./source.js").Source} source @param {any} given What came beside the records. */
  constructor(source, given) {
    this.source = source;
    this.given = given;
    this.columns = new Columns();
    /** @type {import("./verify.js").Issue[]} */
    this.issues = [];
    /** @type {import("./verify.js").Report | null} */
    this.report = null;
    /** @type {Signed[]} */
    this.signed = [];
    /** @type {string[]} Slots that show nothing, and why. */
    this.wrongSlots = [];
    /** @type {import("./note.js").Note | null} */
    this.note = null;
    /** @type {import("./note.js").Checkpoint | null} */
    this.checkpoint = null;
    this.noteError = "";
    this.first = "";
    /** @type {Map<string, number>} Whose records they are: by the id as JSON. */
    this.subjects = new Map();
    this.foreign = 0;
    this.stopped = new AbortController();
    this.newestIndex = -1;
    /** @type {{slot: import("./proof.js").SlotProof, count: number} | null} */
    this.newest = null;
    if (given.subject !== undefined) this.readEvidence();
  }

  readEvidence() {
    const { checkpoints = [], slots = [] } = this.given;
    const text = checkpoints.at(-1);
    if (text === undefined) return;
    try {
      this.note = parseNote(text);
      this.checkpoint = parseCheckpoint(this.note.text);
    } catch (error) {
      this.noteError = String(error instanceof Error ? error.message : error);
      return;
    }
    let last = 0;
    slots.forEach((/** @type {string} */ line, /** @type {number} */ at) => {
      try {
        const slot = parseSlot(line);
        const shown = checkSlot(slot, this.given.subject ?? null, /** @type {any} */ (this.checkpoint));
        if (shown.epoch <= last) throw new Error(`epoch ${shown.epoch} is not behind the one before`);
        last = shown.epoch;
        this.newestIndex = shown.index;
        if (!shown.state) return;
        this.signed.push({ ...shown.state, epoch: shown.epoch, millis: shown.millis, index: shown.index, right: null });
        this.newest = { slot, count: shown.state.count };
      } catch (error) {
        this.wrongSlots.push(`place ${at + 1}: ${error instanceof Error ? error.message : error}`);
      }
    });
  }

  /** States of the last generation, by their counts. */
  states() {
    const generation = this.signed.at(-1)?.generation ?? 0;
    return this.signed.filter((one) => one.generation === generation).sort((a, b) => a.count - b.count);
  }

  /** Reads the whole chain. @param {(done: number) => void} progress */
  async verify(progress) {
    const places = this.given.window?.places ?? [];
    if (places.length > 0) return this.verifyAlone(places, progress);
    const states = this.states();
    const edge = new Edge();
    let [next, told] = [0, 0];
    const verifier = new Verifier({
      issue: (issue) => this.issues.length < KEPT && this.issues.push(issue),
      line: (line) => {
        this.columns.add(line);
        this.countSubject(line.value);
        if (line.hash === "") return;
        this.first ||= line.hash;
        if (states.length === 0) return;
        edge.push(treeLeaf(/** @type {Uint8Array} */ (unhex(line.hash))));
        for (; next < states.length && states[next].count === edge.size; next++) {
          states[next].right = states[next].head === line.hash && sameBytes(states[next].root, edge.root());
        }
      },
    });
    const reader = (await this.source.stream(this.stopped.signal)).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.stopped.signal.aborted) throw new DOMException("stopped", "AbortError");
      if (done) break;
      await verifier.push(value);
      if (Date.now() - told > 100) progress(verifier.report.bytes);
      if (Date.now() - told > 100) told = Date.now();
    }
    this.report = await verifier.finish();
  }

  /**
   * Reads records that are given without those between them: each has its own hash, and a place in the tree that was signed.
   * @param {[number, string][]} places @param {(done: number) => void} progress
   */
  async verifyAlone(places, progress) {
    const state = this.states().at(-1);
    const bytes = await this.source.slice(0, this.source.size);
    /** @type {import("./verify.js").Report} */
    const report = { verdict: "empty", records: 0, torn: 0, faults: 0, backwards: 0, parents: 0, unknown_parents: 0, broken_at: null, head: null, bytes: bytes.length };
    let [from, number] = [0, 0];
    while (from < bytes.length) {
      const feed = bytes.indexOf(10, from);
      const end = feed < 0 ? bytes.length : feed;
      const line = bytes.subarray(from, end);
      const [place, path] = places[number] ?? [0, ""];
      number++;
      const read = rowOf(line);
      const [leaf, hashes] = [unhex(read.hash), partHashes(fromBase64(path) ?? new Uint8Array(1))];
      const isPlaced = leaf?.length === 32 && state !== undefined && hashes !== null && place > 0 && isIncluded(treeLeaf(leaf), place - 1, state.count, hashes, state.root);
      if (!isPlaced) {
        report.faults++;
        report.broken_at ??= number;
        if (this.issues.length < KEPT) this.issues.push({ line: number, rule: "place", text: read.hash === "" ? "the stored hash is not the hash of the content" : "its place in the signed tree is not shown" });
      }
      this.columns.add({ number, offset: from, length: line.length, link: read.record === undefined ? "torn" : "record", value: read.record, preimage: null, why: "", time: null, id: "", parent: "", issues: [], untold: 0, hash: isPlaced ? read.hash : "" });
      this.countSubject(read.record);
      report.records++;
      from = end + 1;
      if (number % 500 === 0) progress(from);
    }
    if (number !== places.length) {
      report.faults++;
      this.issues.push({ line: number, rule: "place", text: `${places.length} records were chosen, and ${number} are here` });
    }
    if (state) state.right = report.faults === 0 || null;
    report.verdict = report.faults > 0 ? "broken" : report.records === 0 ? "empty" : "intact";
    this.report = report;
  }

  /** Whether the record with a number, from 1, has a hash. @param {number} number @param {string} hash */
  hasAt(number, hash) {
    const place = this.given.window?.places?.length ? this.given.window.places.findIndex((/** @type {any} */ one) => one[0] === number) : this.rowOf(number);
    if (!(place >= 0 && place < this.columns.rows)) return null;
    return hash === hex(this.columns.hashes.subarray(32 * place, 32 * place + 32));
  }

  /** The row of the record with a number: lines that are no records have a row, and no number. @param {number} number */
  rowOf(number) {
    if (!this.report?.torn) return number - 1;
    let row = -1;
    for (let left = number; left > 0 && ++row < this.columns.rows; ) if (!this.columns.fits(row, "flags", "unattested")) left--;
    return row;
  }

  /** @param {any} record */
  countSubject(record) {
    const id = own(own(record, "subject"), "id");
    // What Python takes for false is nobody's, as for the reference.
    const subject = typeof id === "string" && id !== "" ? id : null;
    if (this.given.subject === undefined && record !== undefined) this.given.subject = subject;
    const key = JSON.stringify(subject);
    if (this.subjects.has(key) || this.subjects.size < 20) this.subjects.set(key, (this.subjects.get(key) ?? 0) + 1);
    if (key !== JSON.stringify(this.given.subject ?? null)) this.foreign++;
  }

  /** Reads a record again, and says whether it is what was verified. @param {number} row @returns {Promise<Row>} */
  async row(row) {
    return (await this.rowsAt([row]))[0];
  }

  /** The bytes of rows; those that lie together are read together. @param {ArrayLike<number>} rows @param {(row: number, bytes: Uint8Array) => void} each */
  async bytesAt(rows, each) {
    const { offsets, lengths } = this.columns;
    for (let i = 0; i < rows.length; ) {
      const from = offsets[rows[i]];
      let last = i;
      while (last + 1 < rows.length && offsets[rows[last + 1]] > from && offsets[rows[last + 1]] + lengths[rows[last + 1]] - from < 1 << 20) last++;
      const bytes = await this.source.slice(from, offsets[rows[last]] + lengths[rows[last]]);
      for (; i <= last; i++) each(rows[i], bytes.subarray(offsets[rows[i]] - from, offsets[rows[i]] - from + lengths[rows[i]]));
    }
  }

  /** @param {ArrayLike<number>} rows @returns {Promise<Row[]>} */
  async rowsAt(rows) {
    /** @type {Row[]} */
    const found = [];
    await this.bytesAt(rows, (row, bytes) => {
      const { text, record, hash } = rowOf(bytes);
      const kept = hex(this.columns.hashes.subarray(32 * row, 32 * row + 32));
      const number = this.given.window?.places?.[row]?.[0] ?? row + 1;
      found.push({ row, number, offset: this.columns.offsets[row], text, record, hash, isVerified: hash !== "" && hash === kept });
    });
    return found;
  }

  /** Rows whose text has some words, whatever their case. @param {string} text @param {Uint32Array} among @param {(done: number) => void} progress */
  async search(text, among, progress) {
    const wanted = text.toLowerCase();
    // In a line, quotes within a text are escaped.
    const escaped = JSON.stringify(wanted).slice(1, -1);
    /** @type {number[]} */
    const found = [];
    for (let i = 0; i < among.length; i += 1024) {
      await this.bytesAt(among.subarray(i, i + 1024), (row, bytes) => {
        const line = LENIENT_UTF8.decode(bytes).toLowerCase();
        if (line.includes(escaped) || line.includes(wanted)) found.push(row);
      });
      progress(i);
    }
    return found;
  }

  /** The file that proves one record; a text that says why not, where it can't be made. @param {number} row */
  async proof(row) {
    const { note, newest } = this;
    if (!note || !newest) return { why: "no signed checkpoint came with this chain" };
    const { text, number, hash, isVerified } = await this.row(row);
    if (!isVerified) return { why: "the record is not attested" };
    if (this.report?.torn) return { why: "the chain has lines that are no records, so that places can't be told; `halod prove` makes the proof" };
    if (number > newest.count) return { why: "the record is newer than the last checkpoint: the next one covers it" };
    const alone = this.given.window?.places?.[row]?.[1];
    const path = alone === undefined ? inclusionPath(number - 1, newest.count, (index) => treeLeaf(this.columns.hashes.subarray(32 * index, 32 * index + 32))) : partHashes(fromBase64(alone) ?? new Uint8Array(1)) ?? [];
    const tenant = this.given.subject ?? null;
    return { text: recordProofText(newest.slot, { tenant, number, hash, path, note: this.given.checkpoints.at(-1), line: text }) };
  }

  /** The row of a record. @param {string} id */
  async find(id) {
    const rows = await this.search(id, this.columns.select({}), () => {});
    for (const row of rows) if (own((await this.row(row)).record, "record_id") === id) return row;
    return -1;
  }
}

const LENIENT_UTF8 = new TextDecoder();

/** What a line says, and its hash where it is the one that the line states; else empty. @param {Uint8Array} bytes */
function rowOf(bytes) {
  const text = LENIENT_UTF8.decode(bytes);
  try {
    const { value, bare } = readRecord(text);
    const computed = bare === null ? "" : hex(sha256(utf8(bare)));
    return { text, record: value, hash: own(own(value, "integrity"), "hash") === computed ? computed : "" };
  } catch {
    return { text, record: undefined, hash: "" };
  }
}
