// What shows one tenant's chain, or one record of it, under a checkpoint (docs/checkpoints.md).

import { concat, fromBase64, hex, readU64, sameBytes, toBase64, unhex, utf8 } from "./bytes.js";
import { sha256 } from "./sha256.js";
import { isObject, own, parseJson } from "./json.js";
import { parseCheckpoint, parseNote } from "./note.js";
import { isIncluded, partHashes, treeLeaf } from "./tree.js";
import { readRecord } from "./verify.js";

export class ProofError extends Error {}

/** @typedef {{generation: number, count: number, head: string, first: string, root: Uint8Array, bytes: Uint8Array}} State */
/** @typedef {{entry: Uint8Array, index: number, path: Uint8Array[], place: Uint8Array, hidden: Uint8Array, steps: {bit: number, beside: Uint8Array}[], state: State | null, members: {[key: string]: any}}} SlotProof */
/** @typedef {{epoch: number, millis: number, index: number, state: State | null}} Shown What an epoch says of a chain. */

/** @param {any} value @param {string} key @param {number} length -1 for any. @returns {Uint8Array} */
function binary(value, key, length = -1) {
  const text = own(value, key);
  const bytes = typeof text === "string" ? fromBase64(text) : null;
  if (!bytes || (length >= 0 && bytes.length !== length)) throw new ProofError(`${key} is not ${length >= 0 ? `${length} bytes in ` : ""}base64`);
  return bytes;
}

/** @param {any} value @param {string} key */
function hashes(value, key) {
  const parts = partHashes(binary(value, key));
  if (!parts) throw new ProofError(`${key} is not of hashes of 32 bytes`);
  return parts;
}

/** @param {any} value @param {string} key @returns {number} */
function whole(value, key) {
  const number = own(value, key);
  if (!Number.isSafeInteger(number) || number < 0) throw new ProofError(`${key} is no number`);
  return number;
}

/** @param {Uint8Array} bytes @returns {State} */
function readState(bytes) {
  const generation = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { generation, count: readU64(bytes, 36), head: hex(bytes.subarray(44, 76)), first: hex(bytes.subarray(76, 108)), root: bytes.subarray(108), bytes };
}

/** @param {any} value The members of a proof. @returns {SlotProof} */
export function readSlot(value) {
  const way = binary(value, "way");
  if (way.length % 33 !== 0) throw new ProofError("way is not of steps of 33 bytes");
  const steps = Array.from({ length: way.length / 33 }, (_, i) => ({ bit: way[33 * i], beside: way.subarray(33 * i + 1, 33 * i + 33) }));
  const common = { entry: binary(value, "entry"), index: whole(value, "index"), path: hashes(value, "path"), steps, members: value };
  const has = (/** @type {string} */ key) => own(value, key) !== undefined && own(value, key) !== null;
  if (has("state") && has("blind") && has("place") && !has("neighbour")) {
    const state = readState(binary(value, "state", 140));
    return { ...common, place: binary(value, "place", 32), hidden: sha256(concat(binary(value, "blind", 16), state.bytes)), state };
  }
  if (has("neighbour") && !has("state") && !has("blind") && !has("place")) {
    const leaf = binary(value, "neighbour", 64);
    return { ...common, place: leaf.subarray(0, 32), hidden: leaf.subarray(32), state: null };
  }
  throw new ProofError("it has neither state, blind and place, nor neighbour alone");
}

/** A line of `slots.jsonl`. @param {string} line */
export function parseSlot(line) {
  return readSlot(parseJson(line).value);
}

/** The one place of a tenant in the maps of a log. @param {string} origin @param {string | null} tenant */
export function slotOf(origin, tenant) {
  return sha256(concat(utf8("halod-slot/v1"), Uint8Array.of(0), utf8(origin), Uint8Array.of(0), tenant === null ? Uint8Array.of(0) : utf8(tenant)));
}

/** @param {Uint8Array} slot @param {number} bit */
const isSet = (slot, bit) => ((slot[bit >> 3] >> (7 - (bit & 7))) & 1) === 1;

const EPOCH = utf8("halod-epoch/v1\n");

/**
 * What a proof shows of a tenant under a checkpoint.
 * @param {SlotProof} proof @param {string | null} tenant @param {import("./note.js").Checkpoint} checkpoint @returns {Shown} @throws {ProofError}
 */
export function checkSlot(proof, tenant, checkpoint) {
  const { entry } = proof;
  if (entry.length !== EPOCH.length + 48 || !sameBytes(entry.subarray(0, EPOCH.length), EPOCH)) throw new ProofError("the entry of the log is not that of an epoch");
  if (!isIncluded(treeLeaf(entry), proof.index, checkpoint.size, proof.path, checkpoint.root)) throw new ProofError("the entry is not in the log of this checkpoint");
  const slot = slotOf(checkpoint.origin, tenant);
  let hash = sha256(concat(Uint8Array.of(2), proof.place, proof.hidden));
  let below = 256;
  for (const { bit, beside } of proof.steps) {
    // A way that turned back could end at a second place.
    if (bit >= below) throw new ProofError("the way through the map of tenants turns back");
    below = bit;
    const [left, right] = isSet(slot, bit) ? [beside, hash] : [hash, beside];
    hash = sha256(concat(Uint8Array.of(3, bit), left, right));
  }
  if (!sameBytes(hash, entry.subarray(-32))) throw new ProofError("the way through the map of tenants does not lead to the map of the epoch");
  const isThere = sameBytes(proof.place, slot);
  if (!isThere && proof.state) throw new ProofError("the tenant has no chain in this epoch");
  if (isThere && !proof.state) throw new ProofError("the state of the chain is not shown");
  return { epoch: readU64(entry, EPOCH.length), millis: readU64(entry, EPOCH.length + 8), index: proof.index, state: proof.state };
}

/** @typedef {{tenant: string | null, number: number, hash: string, shown: Shown, checkpoint: import("./note.js").Checkpoint, note: import("./note.js").Note, record: string | null}} RecordShown */

/** What the text of a record's proof shows; whose checkpoint it is, is not looked at. @param {string} text @returns {RecordShown} @throws {Error} */
export function checkRecordProof(text) {
  const { value } = parseJson(text);
  if (!isObject(value) || own(value, "format") !== "halod-proof/v1") throw new ProofError("it is no proof of a record (halod-proof/v1)");
  const [tenant, hash, line, noteText] = ["tenant", "hash", "record", "note"].map((key) => own(value, key) ?? null);
  const bytes = typeof hash === "string" ? unhex(hash) : null;
  if (bytes?.length !== 32) throw new ProofError("hash is not 64 hexadecimal digits");
  if ((tenant !== null && typeof tenant !== "string") || typeof noteText !== "string" || (line !== null && typeof line !== "string")) throw new ProofError("tenant, note or record is no text");
  const note = parseNote(noteText);
  const checkpoint = parseCheckpoint(note.text);
  const shown = checkSlot(readSlot(value), tenant, checkpoint);
  const number = whole(value, "number");
  if (!shown.state) throw new ProofError("the tenant has no chain in this epoch");
  if (!isIncluded(treeLeaf(bytes), number - 1, shown.state.count, hashes(value, "record_path"), shown.state.root) || number < 1) {
    throw new ProofError("the record is not in the tree of the tenant's chain at this place");
  }
  if (line !== null && lineHash(line) !== hash) throw new ProofError("the record that is shown does not have the hash that is proved");
  return { tenant, number, hash, shown, checkpoint, note, record: line };
}

/** The hash of a line's content, where it is the one that the line says; else empty. @param {string} line */
export function lineHash(line) {
  const { value, bare } = readRecord(line.trimEnd());
  const computed = bare === null ? "" : hex(sha256(utf8(bare)));
  return own(own(value, "integrity"), "hash") === computed ? computed : "";
}

/**
 * The file that keeps one record's proof.
 * @param {SlotProof} slot @param {{tenant: string | null, number: number, hash: string, path: Uint8Array[], note: string, line: string}} of
 */
export function recordProofText(slot, { tenant, number, hash, path, note, line }) {
  const { state, blind, place, way, entry, index, path: logPath } = slot.members;
  const members = { format: "halod-proof/v1", tenant, number, hash, record_path: toBase64(concat(...path)), state, blind, place, way, entry, index, path: logPath, note, record: line };
  return JSON.stringify(members) + "\n";
}
