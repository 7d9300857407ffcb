// Times as records state them.

/** Days in 400 years, and from 0000-03-01 to 1970-01-01. */
const UNIX_DAYS = 719468;

/** @param {number} year @param {number} month @param {number} day Days since 0000-03-01. */
function daysSince(year, month, day) {
  const [y, m] = month > 2 ? [year, month - 3] : [year - 1, month + 9];
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + Math.floor((153 * m + 2) / 5) + day - 1;
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * A `ts` as the verifier orders it: RFC 3339, within the years 1 to 9999; `null` for anything else.
 * @param {unknown} text @returns {{seconds: number, nanos: number} | null} Seconds since 0000-03-01.
 */
export function instant(text) {
  if (typeof text !== "string") return null;
  const found = RFC3339.exec(text.endsWith("\n") ? text.slice(0, -1) : text);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  if (year === 0 || day === 0 || day > last || hour > 23 || minute > 59 || second > 59) return null;
  const east = (Number(found[9] ?? 0) * 3600 + Number(found[10] ?? 0) * 60) * (found[8] === "-" ? -1 : 1);
  const seconds = daysSince(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - east;
  if (seconds < daysSince(1, 1, 1) * 86400 || seconds >= daysSince(10000, 1, 1) * 86400) return null;
  return { seconds, nanos: Number((found[7] ?? "").padEnd(9, "0")) };
}

/** Unix milliseconds of a time; NaN for none. @param {unknown} text */
export function millis(text) {
  const time = instant(text);
  return time ? (time.seconds - UNIX_DAYS * 86400) * 1000 + Math.floor(time.nanos / 1e6) : NaN;
}

/** A time for a reader, in UTC to the second. @param {number} unixMillis */
export function showTime(unixMillis) {
  const date = new Date(unixMillis);
  return Number.isNaN(date.getTime()) ? "no time" : date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "Z");
}

/** How long something is, in words. @param {number} length In milliseconds. */
export function showLength(length) {
  const units = /** @type {const} */ ([["day", 86400e3], ["hour", 3600e3], ["minute", 60e3], ["second", 1e3]]);
  const [unit, size] = units.find(([, size]) => length >= size) ?? units[3];
  const count = Math.round(length / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/**
 * An end of a span as `halod report --happened` takes it, in Unix milliseconds: the begin of what it names, or what is behind it.
 * @param {string | null | undefined} text @param {boolean} isEnd @returns {number | undefined}
 */
export function endOfSpan(text, isEnd) {
  if (!text) return undefined;
  const [, date, minute, second, zone] = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  const from = Date.parse(`${date}T${minute ?? "00:00"}${second ?? ":00"}${(zone ?? "Z").toUpperCase()}`);
  if (Number.isNaN(from)) return undefined;
  return isEnd ? from + (second ? 1000 : minute ? 60e3 : 86400e3) : from;
}
