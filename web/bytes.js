// Bytes as text and back.

const ENCODER = new TextEncoder();

/** @param {string} text @returns {Uint8Array} A lone surrogate becomes U+FFFD. */
export function utf8(text) {
  return ENCODER.encode(text);
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  let out = "";
  for (const byte of bytes) out += (byte < 16 ? "0" : "") + byte.toString(16);
  return out;
}

/** @param {string} text @returns {Uint8Array | null} `null` unless it is lower-case hexadecimal digits. */
export function unhex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** @param {string} text @returns {Uint8Array | null} `null` unless it is base64 (RFC 4648, section 4) in its one spelling. */
export function fromBase64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  // Bits beyond the last byte have to be zeros.
  return toBase64(bytes) === text ? bytes : null;
}

/** @param {...Uint8Array} parts */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** @param {Uint8Array} one @param {Uint8Array} other */
export function sameBytes(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** @param {Uint8Array} bytes @param {number} at @returns {number} Unsigned, 64 bits, big endian; NaN where a double does not hold it. */
export function readU64(bytes, at) {
  const number = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at));
  return Number.isSafeInteger(number) ? number : NaN;
}
