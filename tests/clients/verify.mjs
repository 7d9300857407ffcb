// Verifies each file named on the command line with the npm package; one line of output each.
// Exit status 1, and the problems on standard error, when one does not verify.
import { verifyLog } from "halo-record";

for (const path of process.argv.slice(2)) {
  const { ok, empty, count, problems } = verifyLog(path);
  console.log(`${ok && !empty ? "ok" : "FAIL"} ${count} ${path}`);
  if (!ok || empty) {
    console.error(problems.slice(0, 5).join("\n") || "empty");
    process.exitCode = 1;
  }
}
