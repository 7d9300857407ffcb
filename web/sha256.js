// SHA-256 (FIPS 180-4), for where there is no WebCrypto (a page over plain HTTP), and for trees of many small hashes.

const SHA_K = new Int32Array(64);
const SHA_START = new Int32Array(8);
{
  // Fractions of the cube and square roots of the first primes.
  let count = 0;
  for (let n = 2; count < 64; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
    if (!isPrime) continue;
    if (count < 8) SHA_START[count] = (Math.sqrt(n) % 1) * 2 ** 32;
    SHA_K[count++] = (Math.cbrt(n) % 1) * 2 ** 32;
  }
}
const SHA_WORDS = new Int32Array(64);

/** @param {Int32Array} state @param {Uint8Array} bytes @param {number} at */
function shaBlock(state, bytes, at) {
  const w = SHA_WORDS;
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + SHA_K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

/** @param {Uint8Array} bytes @returns {Uint8Array} */
export function sha256(bytes) {
  const state = Int32Array.from(SHA_START);
  const whole = bytes.length & ~63;
  for (let at = 0; at < whole; at += 64) shaBlock(state, bytes, at);
  const rest = bytes.length - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(bytes.subarray(whole));
  tail[rest] = 0x80;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(tail.length - 4, (bytes.length << 3) >>> 0);
  for (let at = 0; at < tail.length; at += 64) shaBlock(state, tail, at);
  const out = new Uint8Array(32);
  const words = new DataView(out.buffer);
  state.forEach((word, at) => words.setInt32(4 * at, word));
  return out;
}

/** @param {Uint8Array} key @param {Uint8Array} bytes HMAC-SHA-256 (RFC 2104); the key has at most 64 bytes. */
export function hmac256(key, bytes) {
  const inner = new Uint8Array(64 + bytes.length).fill(0x36, 0, 64);
  const outer = new Uint8Array(96).fill(0x5c, 0, 64);
  key.forEach((byte, at) => {
    inner[at] ^= byte;
    outer[at] ^= byte;
  });
  inner.set(bytes, 64);
  outer.set(sha256(inner), 64);
  return sha256(outer);
}

/**
 * The SHA-256 of each text, by WebCrypto where the browser lets the page have it.
 * @param {Uint8Array[]} texts @returns {Promise<Uint8Array[]>}
 */
export async function sha256All(texts) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return texts.map(sha256);
  const digest = (/** @type {Uint8Array} */ text) => subtle.digest("SHA-256", /** @type {BufferSource} */ (text));
  return (await Promise.all(texts.map(digest))).map((hash) => new Uint8Array(hash));
}
