// Schema 0.1 of Halo Runtime Records: which fields a record must have, and what each may hold. Fields that it does not name may
// hold anything.

import { BigInteger, Float, isObject } from "./json.js";

/**
 * What a value must be: a type, one of some words (`a|b`), a list (an array of one shape) or an object.
 * @typedef {string | any[] | {required?: string[], fields: {[key: string]: any}}} Shape
 */

const SEVERITY = "CRITICAL|HIGH|MEDIUM|LOW|INFO";
const TEXT = "text";

/** @param {string} names @returns {{fields: {[key: string]: Shape}}} An object whose fields are texts. */
function texts(names) {
  return { fields: Object.fromEntries(names.split(" ").map((name) => [name, TEXT])) };
}

/** @type {Shape} */
const RECORD_SHAPE = {
  required: ["schema_version", "record_id", "session_id", "ts", "action", "integrity"],
  fields: {
    ...texts("record_id session_id parent_id ts jurisdiction").fields,
    schema_version: "=0.1",
    subject: texts("id name"),
    principal: texts("human_id creator_id service_account role_scope"),
    agent: texts("id name version model model_version"),
    authority: {
      fields: {
        ...texts("snapshot_id captured_at scope").fields,
        same_as_previous: "boolean",
        workspace: texts("path_hash git_remote_hash git_commit worktree_hash"),
        refs: [{ fields: { ...texts("kind id uri hash version shadowed_by").fields, loaded: "boolean", truncated: "boolean" } }],
        omissions: [texts("kind reason hash")],
        capture_limits: [TEXT],
        stale_if: [TEXT],
      },
    },
    mcp: texts("host client server server_version"),
    action: {
      required: ["type", "category"],
      fields: {
        type: "tool_call|agent_message|read|write|network",
        category: "security|safety|reliability|privacy",
        tool: TEXT,
        authorization: { fields: { decision: "allowed|denied|human_approved", scope: TEXT, approver: TEXT } },
        input: texts("summary hash"),
      },
    },
    outcome: { fields: { status: "ok|error|denied", summary: TEXT, hash: TEXT } },
    findings: [{ required: ["type", "severity"], fields: { type: TEXT, severity: SEVERITY, sample: TEXT } }],
    severity: SEVERITY,
    threats: [{ required: ["type"], fields: texts("type ref").fields }],
    verification: {
      required: ["status"],
      fields: { status: "allowed|blocked|modified|unverified", ...texts("verifier policy_ref checked_at").fields },
    },
    data: { fields: { region: TEXT, cross_region: "number", purpose: TEXT, zdr: "boolean", pii_types: [TEXT] } },
    retention: texts("policy expires"),
    source: { fields: { adapter: TEXT, via: TEXT, capture: "captured|ingested" } },
    framework_tags: [TEXT],
    integrity: { required: ["alg", "canon", "prev_hash", "hash"], fields: { alg: "=sha-256", canon: "=rfc8785", prev_hash: TEXT, hash: TEXT } },
    signature: { required: ["alg", "sig"], fields: { alg: "ecdsa-p256|ed25519", sig: TEXT, key_id: TEXT } },
  },
};

/** @param {string} shape @param {any} value */
function fitsScalar(shape, value) {
  switch (shape) {
    case "text":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "number":
      return typeof value === "number" || value instanceof BigInteger || value instanceof Float;
  }
  return typeof value === "string" && (shape[0] === "=" ? shape.slice(1) === value : shape.split("|").includes(value));
}

/**
 * Tells each place at which a record is not of the schema.
 * @param {any} value @param {(path: string) => void} tell @param {Shape} shape @param {string} path
 */
export function checkSchema(value, tell, shape = RECORD_SHAPE, path = "") {
  if (typeof shape === "string") {
    if (!fitsScalar(shape, value)) tell(path);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return tell(path);
    value.forEach((item, i) => checkSchema(item, tell, shape[0], `${path}[${i}]`));
  } else {
    if (!isObject(value)) return tell(path);
    for (const key of shape.required ?? []) if (!Object.hasOwn(value, key)) tell(path === "" ? key : `${path}.${key}`);
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(shape.fields, key)) checkSchema(value[key], tell, shape.fields[key], path === "" ? key : `${path}.${key}`);
    }
  }
}

/**
 * Tells each number that two readers may hash differently.
 * @param {any} value @param {(path: string) => void} tell @param {string} path
 */
export function checkNumbers(value, tell, path = "") {
  if (value instanceof BigInteger || value instanceof Float) return tell(path);
  if (Array.isArray(value)) return value.forEach((item, i) => checkNumbers(item, tell, `${path}[${i}]`));
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) checkNumbers(value[key], tell, path === "" ? key : `${path}.${key}`);
}
