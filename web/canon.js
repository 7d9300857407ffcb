// The canonical form of RFC 8785 as the record format uses it, which has integers only; and the hash of any value.

import { BigInteger, Float, isObject } from "./json.js";
import { utf8 } from "./bytes.js";
import { sha256 } from "./sha256.js";

/** Levels of nesting that the reference can hash of a record, and of what `halo hash` is given. */
export const HASH_LEVELS = 331;
const TEXT_LEVELS = 332;

export class CanonError extends Error {}

const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/;

/** @param {string} text */
function quoted(text) {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

/** @param {string} text @param {number} levels */
function quotedWithin(text, levels) {
  const out = quoted(text);
  // The reference spends a frame on a text with escapes.
  if (levels === 0 && (out.length !== text.length + 2 || /\p{Surrogate}/u.test(text))) throw new CanonError("nested too deeply");
  return out;
}

/** @param {{[key: string]: any}} object Its keys by UTF-16 code units. */
export function sortedKeys(object) {
  const keys = Object.keys(object);
  for (let i = 1; i < keys.length; i++) if (keys[i - 1] >= keys[i]) return keys.sort();
  return keys;
}

/**
 * @param {any} value @param {number} levels @returns {string}
 * @throws {CanonError} It has no canonical form.
 */
export function canonical(value, levels = HASH_LEVELS) {
  if (levels === 0) throw new CanonError("nested too deeply");
  const inner = levels - 1;
  switch (typeof value) {
    case "string":
      return quotedWithin(value, inner);
    case "number":
      if (!Number.isSafeInteger(value)) throw new CanonError("a number is no integer within 2^53-1");
      return String(value);
    case "boolean":
      return value ? "true" : "false";
  }
  if (value === null) return "null";
  if (Array.isArray(value)) {
    let out = "[";
    for (let i = 0; i < value.length; i++) out += (i > 0 ? "," : "") + canonical(value[i], inner);
    return out + "]";
  }
  if (value instanceof BigInteger) throw new CanonError("an integer is beyond 2^53-1");
  if (value instanceof Float) return wholeFloat(value.value);
  let out = "{";
  for (const key of sortedKeys(value)) out += (out.length > 1 ? "," : "") + canonicalMember(key, value[key], inner);
  return out + "}";
}

/** @param {string} key @param {any} value @param {number} inner */
function canonicalMember(key, value, inner) {
  if (/\p{Surrogate}/u.test(key)) throw new CanonError("a key holds a lone surrogate");
  if (inner === 0) throw new CanonError("nested too deeply");
  return quotedWithin(key, inner - 1) + ":" + canonical(value, inner);
}

/** @param {number} value */
function wholeFloat(value) {
  if (!Number.isFinite(value)) throw new CanonError("NaN and infinity are not JSON");
  if (!Number.isInteger(value)) throw new CanonError("a number with a fraction has no canonical form");
  return BigInt(value).toString();
}

/**
 * A record's canonical form, and that of what its hash is over: without `integrity.hash`.
 * @param {{[key: string]: any}} record @returns {[string, string]}
 */
export function canonicalRecord(record) {
  let whole = "";
  let bare = "";
  for (const key of sortedKeys(record)) {
    const value = record[key];
    const comma = whole === "" ? "" : ",";
    const member = comma + canonicalMember(key, value, HASH_LEVELS - 1);
    whole += member;
    if (key === "integrity" && isObject(value) && Object.hasOwn(value, "hash")) {
      const rest = Object.assign(Object.create(null), value);
      delete rest.hash;
      bare += comma + canonicalMember(key, rest, HASH_LEVELS - 1);
    } else {
      bare += member;
    }
  }
  return [`{${whole}}`, `{${bare}}`];
}

/** What has no canonical form is hashed as Python's `json.dumps` with sorted keys writes it. @param {any} value @returns {string} */
function dumps(value) {
  if (typeof value === "string") return ascii(value);
  if (value instanceof BigInteger) return value.digits;
  if (value instanceof Float) return dumpsFloat(value.value);
  if (Array.isArray(value)) return `[${value.map(dumps).join(",")}]`;
  if (!isObject(value)) return String(value);
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${ascii(key)}:${dumps(value[key])}`).join(",")}}`;
}

/** @param {string} a @param {string} b */
function byCodePoint(a, b) {
  const [one, other] = [[...a], [...b]];
  for (let i = 0; i < one.length && i < other.length; i++) {
    const difference = (one[i].codePointAt(0) ?? 0) - (other[i].codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** @param {string} text */
function ascii(text) {
  const escape = (/** @type {string} */ c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => (c === "\u007f" ? c : escape(c)));
}

/** Python's `repr` of a float. @param {number} value */
function dumpsFloat(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  const sign = Object.is(value, -0) || value < 0 ? "-" : "";
  const [mantissa, power] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** The hash that a record has for an input or an outcome. @param {any} value @returns {Uint8Array} */
export function inputHash(value) {
  let form;
  try {
    form = canonical(value, TEXT_LEVELS);
  } catch (error) {
    if (!(error instanceof CanonError)) throw error;
    form = dumps(value);
  }
  return sha256(utf8(form));
}
