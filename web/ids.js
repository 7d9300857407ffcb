// Which ids were seen, and in which line first, in 40 bytes an id.

import { utf8 } from "./bytes.js";
import { sha256 } from "./sha256.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** 128 bits that stand for an id: a UUID's own, else of its SHA-256. @param {string} id @param {Uint32Array} into */
function idKey(id, into) {
  if (UUID.test(id)) {
    const digits = id.replaceAll("-", "");
    for (let i = 0; i < 4; i++) into[i] = parseInt(digits.slice(8 * i, 8 * i + 8), 16);
    return;
  }
  // A lone surrogate is no UTF-8: what stands for it is told apart by its units.
  const text = /\p{Surrogate}/u.test(id) ? "\u0000" + JSON.stringify(id) : id;
  const view = new DataView(sha256(utf8(text)).buffer);
  for (let i = 0; i < 4; i++) into[i] = view.getUint32(4 * i);
}

export class Ids {
  constructor() {
    this.size = 0;
    this.room = 1 << 10;
    this.keys = new Uint32Array(4 * this.room);
    /** Of each id its first line; 0 where there is none. */
    this.lines = new Float64Array(this.room);
    this.key = new Uint32Array(4);
  }

  /** Where the key is, or goes. */
  place() {
    const { keys, key, lines, room } = this;
    let at = (key[0] ^ key[2]) & (room - 1);
    while (lines[at] !== 0) {
      const k = 4 * at;
      if (keys[k] === key[0] && keys[k + 1] === key[1] && keys[k + 2] === key[2] && keys[k + 3] === key[3]) break;
      at = (at + 1) & (room - 1);
    }
    return at;
  }

  /** The line that has the id first; 0 where none has. @param {string} id */
  line(id) {
    idKey(id, this.key);
    return this.lines[this.place()];
  }

  /** Takes an id of a line, and tells which line has it already, or 0. @param {string} id @param {number} line */
  add(id, line) {
    idKey(id, this.key);
    const at = this.place();
    if (this.lines[at] !== 0) return this.lines[at];
    this.keys.set(this.key, 4 * at);
    this.lines[at] = line;
    if (++this.size * 2 > this.room) this.grow();
    return 0;
  }

  grow() {
    const { keys, lines, room } = this;
    this.room = 2 * room;
    this.keys = new Uint32Array(4 * this.room);
    this.lines = new Float64Array(this.room);
    for (let old = 0; old < room; old++) {
      if (lines[old] === 0) continue;
      this.key.set(keys.subarray(4 * old, 4 * old + 4));
      const at = this.place();
      this.keys.set(this.key, 4 * at);
      this.lines[at] = lines[old];
    }
  }
}
