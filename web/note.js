// Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature), with Ed25519 by WebCrypto.

import { concat, fromBase64, hex, readU64, utf8 } from "./bytes.js";
import { sha256 } from "./sha256.js";
import { inGroups } from "./tree.js";

const NOTE_BYTES = 128 << 10;
const NOTE_SIGNATURES = 64;
const KIND_TEXT = 1;
export const KIND_COSIGNATURE = 4;

export class NoteError extends Error {}

/** @typedef {{name: string, id: string, bytes: Uint8Array}} NoteSignature */
/** @typedef {{text: string, signatures: NoteSignature[]}} Note */
/** @typedef {{kind: number, name: string, id: string, key: Uint8Array, text: string}} VerifierKey */
/** @typedef {{origin: string, size: number, root: Uint8Array}} Checkpoint */
/** What a signature comes to; "unchecked" where the browser can't tell. @typedef {"good" | "unsigned" | "forged" | "unchecked"} Signed */

const BAD_NAME = /[\p{White_Space}\p{Cc}+]/u;

/** @param {string} note @returns {Note} @throws {NoteError} */
export function parseNote(note) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0) throw new NoteError("no empty line parts text and signatures");
  if (utf8(note).length > NOTE_BYTES) throw new NoteError("a note has at most 128 KiB");
  const text = note.slice(0, at + 1);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new NoteError("the text has control characters");
  if (!note.endsWith("\n")) throw new NoteError("the last line has no end");
  const signatures = note.slice(at + 2, -1).split("\n").map(parseSignature);
  if (signatures.length > NOTE_SIGNATURES) throw new NoteError(`a note has at most ${NOTE_SIGNATURES} signatures`);
  return { text, signatures };
}

/** @param {string} line @returns {NoteSignature} */
function parseSignature(line) {
  const [, name, text] = /^\u2014 ([^ ]+) (.*)$/.exec(line) ?? [];
  const bytes = fromBase64(text ?? "");
  if (!name || !bytes || bytes.length < 5 || BAD_NAME.test(name)) throw new NoteError("a signature line is not `\u2014 NAME BASE64`");
  return { name, id: hex(bytes.subarray(0, 4)), bytes: bytes.subarray(4) };
}

/** A verifier key, like NAME+ID+KEY. @param {string} text @returns {VerifierKey} @throws {NoteError} */
export function parseKey(text) {
  const [, name, id, base64] = /^([^+]+)\+([^+]*)\+(.*)$/.exec(text) ?? [];
  const typed = fromBase64(base64 ?? "");
  if (!name || !typed || BAD_NAME.test(name)) throw new NoteError("it is no verifier key, like NAME+ID+KEY");
  const kind = typed[0];
  if ((kind !== KIND_TEXT && kind !== KIND_COSIGNATURE) || typed.length !== 33) throw new NoteError("the key is not of Ed25519 (type 1, or 4 of a witness)");
  const own = hex(sha256(concat(utf8(`${name}\n`), typed)).subarray(0, 4));
  if (own !== id) throw new NoteError("the id of the key is not that of its name and bytes");
  return { kind, name, id, key: typed.subarray(1), text };
}

/** What a customer writes down of a verifier key. @param {VerifierKey} key */
export function fingerprint(key) {
  return inGroups(sha256(utf8(key.text)));
}

/** @param {string} text @returns {Checkpoint} @throws {NoteError} */
export function parseCheckpoint(text) {
  const [, origin, digits, base64] = /^([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]*)\n$/.exec(text) ?? [];
  const [size, root] = [Number(digits), fromBase64(base64 ?? "")];
  if (!origin || !Number.isSafeInteger(size) || root?.length !== 32) throw new NoteError("the text of the note is no checkpoint: origin, size and root");
  return { origin, size, root };
}

/** @param {Uint8Array} key @param {Uint8Array} message @param {Uint8Array} signature @returns {Promise<boolean | null>} `null` where the browser has no Ed25519. */
export async function hasSigned(key, message, signature) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return null;
  const bytes = (/** @type {Uint8Array} */ of) => /** @type {BufferSource} */ (of);
  try {
    const imported = await subtle.importKey("raw", bytes(key), "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", imported, bytes(signature), bytes(message));
  } catch (error) {
    // A key that is no point of the curve has signed nothing.
    return error instanceof DOMException && error.name === "NotSupportedError" ? null : false;
  }
}

/** When a cosignature says that the checkpoint was seen, in Unix seconds; NaN where it says nothing. @param {Uint8Array} bytes */
function cosignatureTime(bytes) {
  const time = bytes.length === 72 ? readU64(bytes, 0) : NaN;
  return time > 0 ? time : NaN;
}

/**
 * Whether a key has signed a note. Of a known key all signatures have to be right; signatures of others say nothing.
 * @param {Note} note @param {VerifierKey} key @returns {Promise<Signed>}
 */
export async function verifyNote(note, key) {
  const ours = note.signatures.filter((one) => one.name === key.name && one.id === key.id);
  if (ours.length === 0) return "unsigned";
  for (const { bytes } of ours) {
    let [message, signature] = [note.text, bytes];
    if (key.kind === KIND_COSIGNATURE) {
      const time = cosignatureTime(bytes);
      if (Number.isNaN(time)) return "forged";
      message = `cosignature/v1\ntime ${time}\n${note.text}`;
      signature = bytes.subarray(8);
    }
    if (signature.length !== 64) return "forged";
    const good = await hasSigned(key.key, utf8(message), signature);
    if (good === null) return "unchecked";
    if (!good) return "forged";
  }
  return "good";
}

/**
 * When a witness saw the checkpoint first and last, in Unix seconds.
 * @param {Note} note @param {VerifierKey} key @returns {Promise<{signed: Signed, first: number, last: number}>}
 */
export async function cosigned(note, key) {
  const signed = await verifyNote(note, key);
  const ours = note.signatures.filter((one) => one.name === key.name && one.id === key.id);
  const times = ours.map((one) => cosignatureTime(one.bytes));
  return { signed, first: Math.min(...times), last: Math.max(...times) };
}
