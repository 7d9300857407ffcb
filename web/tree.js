// Merkle trees of RFC 6962, section 2.1; the algorithms of RFC 9162, section 2.1.

import { concat, hex, sameBytes } from "./bytes.js";
import { sha256 } from "./sha256.js";

/** @param {Uint8Array} data */
export function treeLeaf(data) {
  return sha256(concat(Uint8Array.of(0), data));
}

/** @param {Uint8Array} left @param {Uint8Array} right */
export function treeNode(left, right) {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The right edge of a tree, which is all that appending needs. */
export class Edge {
  constructor() {
    this.size = 0;
    /** @type {Uint8Array[]} Roots of the complete subtrees, the largest first. */
    this.roots = [];
  }

  /** @param {Uint8Array} leaf */
  push(leaf) {
    let root = leaf;
    for (let size = this.size; size % 2 === 1; size = Math.floor(size / 2)) {
      const left = this.roots.pop();
      if (left) root = treeNode(left, root);
    }
    this.roots.push(root);
    this.size++;
  }

  root() {
    if (this.roots.length === 0) return sha256(new Uint8Array(0));
    return this.roots.reduceRight((root, left) => treeNode(left, root));
  }
}

/** Whether a leaf is at a place of a tree. @param {Uint8Array} leaf @param {number} index @param {number} size @param {Uint8Array[]} path @param {Uint8Array} root */
export function isIncluded(leaf, index, size, path, root) {
  if (!(index < size)) return false;
  let [place, last] = [index, size - 1];
  let hash = leaf;
  const up = () => {
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  };
  for (const beside of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = treeNode(beside, hash);
      while (place % 2 === 0 && place !== 0) up();
    } else {
      hash = treeNode(hash, beside);
    }
    up();
  }
  return last === 0 && sameBytes(hash, root);
}

/**
 * Whether a tree is the begin of another one.
 * @param {{size: number, root: Uint8Array}} old @param {{size: number, root: Uint8Array}} now @param {Uint8Array[]} path
 */
export function isConsistent(old, now, path) {
  if (!(old.size <= now.size)) return false;
  if (old.size === now.size) return path.length === 0 && sameBytes(old.root, now.root);
  if (old.size === 0) return path.length === 0 && sameBytes(old.root, sha256(new Uint8Array(0)));
  // Where the old tree is a complete subtree, its root begins the path.
  const isWhole = Number.isInteger(Math.log2(old.size));
  const [first, ...hashes] = isWhole ? [old.root, ...path] : path;
  if (!first) return false;
  let [place, last] = [old.size - 1, now.size - 1];
  const up = () => {
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  };
  while (place % 2 === 1) up();
  let [before, after] = [first, first];
  for (const hash of hashes) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      before = treeNode(hash, before);
      after = treeNode(hash, after);
      while (place % 2 === 0 && place !== 0) up();
    } else {
      after = treeNode(after, hash);
    }
    up();
  }
  return last === 0 && sameBytes(before, old.root) && sameBytes(after, now.root);
}

/**
 * The hashes beside the way from a leaf to the root, of a tree whose leaves are at hand.
 * @param {number} index @param {number} size @param {(index: number) => Uint8Array} leafAt
 */
export function inclusionPath(index, size, leafAt) {
  /** @type {Uint8Array[]} */
  const path = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const split = from + largestBelow(to - from);
    if (index < split) {
      path.push(rangeRoot(split, to, leafAt));
      to = split;
    } else {
      path.push(rangeRoot(from, split, leafAt));
      from = split;
    }
  }
  return path.reverse();
}

/** The largest power of two that is smaller than a size, which is more than one. @param {number} size */
function largestBelow(size) {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** @param {number} from @param {number} to @param {(index: number) => Uint8Array} leafAt */
function rangeRoot(from, to, leafAt) {
  const edge = new Edge();
  for (let index = from; index < to; index++) edge.push(leafAt(index));
  return edge.root();
}

/** @param {Uint8Array} bytes @returns {Uint8Array[] | null} Hashes that stand one behind another. */
export function partHashes(bytes) {
  if (bytes.length % 32 !== 0) return null;
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
}

/** A hash in groups, for people to compare. @param {Uint8Array} hash */
export function inGroups(hash) {
  return (hex(hash).match(/.{8}/g) ?? []).join(" ");
}
