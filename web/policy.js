// What a reader demands of a checkpoint: whose log it has to be, and which witnesses have to have cosigned it (C2SP tlog-policy).

import { hex, utf8 } from "./bytes.js";
import { KIND_COSIGNATURE, cosigned, parseCheckpoint, parseKey, verifyNote } from "./note.js";

const POLICY_BYTES = 256 << 10;
const POLICY_DEFINITIONS = 1024;

export class PolicyError extends Error {}

/** @typedef {import("./note.js").VerifierKey} Key */
/** @typedef {{name: string, key: Key | null, least: number, members: number[]}} Named A witness, or a group of which so many have to have witnessed. */
/** @typedef {{logs: Key[], named: Named[], quorum: number | null}} Policy */

/** @param {string} text @returns {Policy} @throws {PolicyError} */
export function parsePolicy(text) {
  if (utf8(text).length > POLICY_BYTES) throw new PolicyError("a policy has at most 256 KiB");
  /** @type {Policy & {quorumSaid: boolean, taken: Set<string>}} */
  const policy = { logs: [], named: [], quorum: null, quorumSaid: false, taken: new Set() };
  text.split("\n").forEach((line, at) => {
    try {
      policyLine(line, policy);
    } catch (error) {
      throw new PolicyError(`line ${at + 1}: ${error instanceof Error ? error.message : error}`);
    }
  });
  if (text !== "" && !text.endsWith("\n")) throw new PolicyError("the last line has no line feed at its end; the file may be cut off");
  if (policy.logs.length + policy.named.length > POLICY_DEFINITIONS) throw new PolicyError(`a policy has at most ${POLICY_DEFINITIONS} definitions`);
  if (!policy.quorumSaid) throw new PolicyError("no line says `quorum NAME`, or `quorum none` for a policy without witnesses");
  return { logs: policy.logs, named: policy.named, quorum: policy.quorum };
}

/** @param {string} line @param {Policy & {quorumSaid: boolean, taken: Set<string>}} policy */
function policyLine(line, policy) {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) throw new PolicyError("a control character stands in it");
  const [first, ...words] = line.split(/[ \t]+/).filter((word) => word !== "");
  if (first === undefined || first.startsWith("#")) return;
  const find = (/** @type {string} */ name) => {
    const found = policy.named.findIndex((named) => named.name === name);
    if (found < 0) throw new PolicyError(`\`${name}\` is defined on no line before this one`);
    return found;
  };
  const once = (/** @type {string} */ what, /** @type {string} */ why) => {
    if (policy.taken.has(what)) throw new PolicyError(why);
    policy.taken.add(what);
  };
  const define = (/** @type {Named} */ named) => {
    if (named.name === "none") throw new PolicyError("`none` stands for no witness, and can't be defined");
    once(`name ${named.name}`, `\`${named.name}\` is defined already`);
    policy.named.push(named);
  };
  if (first === "log" && (words.length === 1 || words.length === 2)) {
    const key = parseKey(words[0]);
    if (key.kind === KIND_COSIGNATURE) throw new PolicyError("a log's key is of type 1");
    once(`log ${hex(key.key)}`, "the key is a log's already");
    policy.logs.push(key);
  } else if (first === "witness" && (words.length === 2 || words.length === 3)) {
    const key = parseKey(words[1]);
    if (key.kind !== KIND_COSIGNATURE) throw new PolicyError("a witness' key is of type 4");
    once(`witness ${hex(key.key)}`, "the key is a witness' already");
    define({ name: words[0], key, least: 1, members: [] });
  } else if (first === "group" && words.length >= 3) {
    const [name, threshold, ...names] = words;
    const members = names.map(find);
    for (const member of members) once(`member ${member}`, "a member is of one group only");
    const least = threshold === "all" ? members.length : threshold === "any" ? 1 : /^[0-9]+$/.test(threshold) ? Number(threshold) : 0;
    if (!(least >= 1 && least <= members.length)) throw new PolicyError(`\`${threshold}\` is none of all, any, and a number of the group's members`);
    define({ name, key: null, least, members });
  } else if (first === "quorum" && words.length === 1) {
    if (policy.quorumSaid) throw new PolicyError("there is a quorum already, and a policy has one");
    policy.quorumSaid = true;
    policy.quorum = words[0] === "none" ? null : find(words[0]);
  } else {
    throw new PolicyError("it is none of `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME...` and `quorum NAME|none`");
  }
}

/** Whether two quorums without a common witness are possible: each could witness another history. @param {Policy} policy */
export function hasDisjointQuorums({ named, quorum }) {
  if (quorum === null) return true;
  /** @type {boolean[]} */
  const splits = [];
  for (const { key, least, members } of named) {
    const both = members.filter((member) => splits[member]).length;
    splits.push(key === null && 2 * Math.max(0, least - both) <= members.length - both);
  }
  return splits[quorum];
}

/**
 * Whether a policy takes a note. `why` says why not; `at` is when the quorum was reached, in Unix seconds.
 * @param {Policy} policy @param {import("./note.js").Note} note
 * @returns {Promise<{taken: boolean, unchecked: boolean, why: string, at: number | null, names: string[]}>}
 */
export async function checkPolicy(policy, note) {
  const answer = { taken: false, unchecked: false, why: "", at: /** @type {number | null} */ (null), names: /** @type {string[]} */ ([]) };
  const refuse = (/** @type {string} */ why) => ({ ...answer, why });
  const { origin } = parseCheckpoint(note.text);
  if (policy.logs.length > 0) {
    const keys = policy.logs.filter((key) => key.name === origin);
    if (keys.length === 0) return refuse(`the checkpoint is of the log ${origin}, which is none of the policy's`);
    const signed = await Promise.all(keys.map((key) => verifyNote(note, key)));
    if (signed.includes("forged")) return refuse("the signature of the log is not one of this text");
    if (signed.includes("unchecked")) return { ...answer, unchecked: true, why: "this browser has no Ed25519" };
    if (!signed.includes("good")) return refuse(`the note has no signature of ${origin}`);
  }
  /** @type {number[]} NaN where one has not witnessed it. */
  const times = [];
  for (const { name, key, least, members } of policy.named) {
    if (!key) {
      const of = members.map((member) => times[member]).filter((time) => !Number.isNaN(time));
      times.push(of.sort((a, b) => a - b)[least - 1] ?? NaN);
      continue;
    }
    const { signed, first } = await cosigned(note, key);
    if (signed === "forged") return refuse(`the cosignature of ${name} is not one of this text`);
    if (signed === "unchecked") return { ...answer, unchecked: true, why: "this browser has no Ed25519" };
    times.push(signed === "good" ? first : NaN);
    if (signed === "good") answer.names.push(name);
  }
  if (policy.quorum === null) return { ...answer, taken: true };
  const at = times[policy.quorum];
  if (Number.isNaN(at)) return refuse(`the cosignatures are no quorum: ${answer.names.length === 0 ? "no witness of the policy has cosigned" : `only ${answer.names.join(", ")} cosigned`}`);
  return { ...answer, taken: true, at };
}
