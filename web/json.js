// JSON as the record format's reference reads it: Python's `json`, which takes NaN, lone surrogates and integers of any size, and
// tells 1.0 from 1. Objects have no prototype, so that no key of theirs is anything else.

/** An integer beyond 2^53 - 1, by its digits. */
export class BigInteger {
  /** @param {string} digits */
  constructor(digits) {
    this.digits = digits;
  }
}

/** A number with a fraction or an exponent, or none at all. */
export class Float {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** null, boolean, number (an integer within 2^53 - 1), string, BigInteger, Float, an array or an object of these. @typedef {any} Json */

export class JsonError extends Error {}

/** Containers within each other, and digits of an integer, that the reference reads of a line. */
export const LINE_LIMITS = { depth: 990, digits: 4000 };
/** The same of what `halod hash` reads. */
export const TEXT_LIMITS = { depth: 992, digits: 4300 };

/** @param {unknown} value @returns {value is {[key: string]: any}} */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Float) && !(value instanceof BigInteger);
}

/** A member of an object's own. @param {any} object @param {string} key @returns {any} */
export function own(object, key) {
  return isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined;
}

/** What lies at a path of members. @param {any} value @param {...string} path @returns {any} */
export function at(value, ...path) {
  for (const key of path) value = own(value, key);
  return value;
}

class JsonParser {
  /** @param {string} text @param {{depth: number, digits: number}} limits */
  constructor(text, limits) {
    this.text = text;
    this.limits = limits;
    this.at = 0;
    /** @type {string | null} */
    this.duplicate = null;
    this.hasSafeNumbers = true;
  }

  /** @param {string} what @returns {never} */
  fail(what) {
    throw new JsonError(`${what} at column ${this.at + 1}`);
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at++;
  }

  /** @param {string} literal */
  take(literal) {
    const found = this.text.startsWith(literal, this.at);
    if (found) this.at += literal.length;
    return found;
  }

  /** @param {number} depth @returns {Json} */
  value(depth) {
    const c = this.text[this.at];
    if (c === '"') return this.string();
    if (c === "{" || c === "[") {
      if (depth >= this.limits.depth) this.fail("nested too deeply");
      this.at++;
      this.space();
      return c === "[" ? this.array(depth + 1) : this.object(depth + 1);
    }
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    if (this.take("null")) return null;
    if (this.take("NaN")) return this.float(NaN);
    if (this.take("Infinity")) return this.float(Infinity);
    if (this.take("-Infinity")) return this.float(-Infinity);
    return this.number();
  }

  /** @param {number} depth @returns {Json[]} */
  array(depth) {
    /** @type {Json[]} */
    const items = [];
    if (this.take("]")) return items;
    for (;;) {
      items.push(this.value(depth));
      this.space();
      if (this.take("]")) return items;
      if (!this.take(",")) this.fail("expected a comma or the end of the array");
      this.space();
    }
  }

  /** @param {number} depth @returns {{[key: string]: Json}} */
  object(depth) {
    /** @type {{[key: string]: Json}} */
    const members = Object.create(null);
    if (this.take("}")) return members;
    /** @type {string | null} */
    let repeated = null;
    for (;;) {
      if (this.text[this.at] !== '"') this.fail("expected a key");
      const key = this.string();
      this.space();
      if (!this.take(":")) this.fail("expected a colon");
      this.space();
      const value = this.value(depth);
      if (key in members) repeated ??= key;
      members[key] = value;
      this.space();
      if (this.take("}")) break;
      if (!this.take(",")) this.fail("expected a comma or the end of the object");
      this.space();
    }
    this.duplicate ??= repeated;
    return members;
  }

  string() {
    const start = ++this.at;
    let out = "";
    let run = start;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) this.fail("a string has no end");
      if (code < 0x20) this.fail("a control character stands in a string");
      if (code === 0x22) break;
      if (code !== 0x5c) {
        this.at++;
        continue;
      }
      out += this.text.slice(run, this.at) + this.escape();
      run = this.at;
    }
    out += this.text.slice(run, this.at);
    this.at++;
    return out;
  }

  escape() {
    const c = this.text[this.at + 1] ?? "";
    if (c === "u") {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail("not an escape");
      this.at += 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    const found = '"\\/bfnrt'.indexOf(c);
    if (c === "" || found < 0) this.fail("not an escape");
    this.at += 2;
    return '"\\/\b\f\n\r\t'[found];
  }

  /** @param {number} value */
  float(value) {
    this.hasSafeNumbers = false;
    return new Float(value);
  }

  number() {
    const pattern = /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return this.fail("expected a value");
    const [literal, whole, fraction, exponent] = found;
    if (fraction !== undefined || exponent !== undefined) {
      this.at += literal.length;
      return this.float(Number(literal));
    }
    if (whole.length > this.limits.digits) this.fail("an integer has too many digits");
    this.at += literal.length;
    const value = Number(literal);
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    this.hasSafeNumbers = false;
    return new BigInteger(literal);
  }
}

/**
 * @param {string} text @param {{depth: number, digits: number}} limits
 * @returns {{value: Json, duplicate: string | null, hasSafeNumbers: boolean}}
 * @throws {JsonError} Where the text is no JSON.
 */
export function parseJson(text, limits = LINE_LIMITS) {
  const parser = new JsonParser(text, limits);
  parser.space();
  const value = parser.value(0);
  parser.space();
  if (parser.at !== text.length) parser.fail("something follows the value");
  return { value, duplicate: parser.duplicate, hasSafeNumbers: parser.hasSafeNumbers };
}
