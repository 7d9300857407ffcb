// What the page's verifier says of chains: one JSON object a line for each file named on standard input, after the folder of
// the page's modules as the one argument. Chains come in pieces of odd sizes, as a browser's streams do.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , folder] = process.argv;
const { Verifier } = await import(`${pathToFileURL(folder)}/verify.js`);
const files = readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
let piece = 1;
for (const file of files) {
  const issues = [];
  const verifier = new Verifier({ issue: (issue) => issues.length < 100 && issues.push([issue.line, issue.rule]) });
  let report;
  try {
    const bytes = new Uint8Array(readFileSync(file));
    for (let at = 0; at < bytes.length; at += piece) await verifier.push(bytes.subarray(at, at + piece));
    report = await verifier.finish();
  } catch (error) {
    report = { verdict: "unreadable", error: String(error) };
  }
  piece = (piece * 31 + 977) % 100003;
  console.log(JSON.stringify({ ...report, issues }));
}
