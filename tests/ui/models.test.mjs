// Models change hands: a signed file is verified, installed, runs as shadow, and the one before comes back.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RETRAIN, SHOTS, TAPHOUND, ask, capture, endBrowser, folder, go, logIn, run, tab } from "./rig.mjs";

const SERIAL = 900;
const place = folder();
const at = (...parts) => join(place, ...parts);
let child, sensor, page;

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** A small model of our own, signed with a key that the sensor trusts. */
function makeModel() {
  mkdirSync(at("keys"));
  run(RETRAIN, ["keygen", "--out", at("secret.key")]);
  copyFileSync(at("secret.key.pub"), at("keys", "ours.pub"));
  run(TAPHOUND, ["replay", capture("scan-syn", "pcap.gz"), "--labels", capture("scan-syn", "").replace("capture.", "labels.csv"), "--out", at("flows.csv")]);
  run(RETRAIN, ["train", "--data", at("flows.csv"), "--key", at("secret.key"), "--serial", String(SERIAL), "--epochs", "1", "--out", at("ours.taphound")]);
}

before(async () => {
  makeModel();
  const port = await freePort();
  mkdirSync(at("spool"));
  mkdirSync(at("state"));
  writeFileSync(at("taphound.toml"), `
[sensor]
id = "ui-test"
state_dir = "${at("state")}"
[capture]
directory = "${at("spool")}"
[model]
keys_dir = "${at("keys")}"
[control]
socket = "${at("control.sock")}"
[api]
listen = ["127.0.0.1:${port}"]
`);
  child = spawn(TAPHOUND, ["run", "--config", at("taphound.toml")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => { said += text; });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    if (await fetch(`${url}/healthz`).then((a) => a.ok, () => false)) break;
    if (tries > 300 || child.exitCode !== null) throw new Error(`taphound run does not answer: ${said}`);
    await new Promise((wait) => setTimeout(wait, 200));
  }
  const made = JSON.parse(run(TAPHOUND, ["token", "create", "ann", "--role", "admin", "--json", "--socket", at("control.sock")]));
  sensor = { url, token: made.token };
  page = await tab(url);
  await logIn(page, sensor.token);
});
after(async () => { await endBrowser(); child?.kill(); });

const version = async () => (await ask(sensor, "/api/v1/model")).active.version;

test("a file that is no model is refused in words", async () => {
  await go(page, "#/model");
  await page.locator("#model-file").setInputFiles({ name: "x.taphound", mimeType: "application/octet-stream", buffer: Buffer.from("nonsense") });
  await page.locator("#main [role=alert]").waitFor();
  assert.equal(await page.getByRole("button", { name: "Install" }).count(), 0);
});

test("a verified file runs as shadow, and is installed after a question", async () => {
  const old = await version();
  await page.locator("#model-file").setInputFiles(at("ours.taphound"));
  await page.getByRole("heading", { name: `This file: version ${SERIAL}` }).waitFor();
  await page.getByRole("button", { name: "Run as shadow" }).click();
  await page.getByRole("heading", { name: `Shadow: version ${SERIAL}` }).waitFor();
  await page.getByRole("button", { name: "End the shadow" }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await page.getByRole("heading", { name: `Shadow: version ${SERIAL}` }).waitFor({ state: "detached" });
  await page.locator("#model-file").setInputFiles(at("ours.taphound"));
  await page.getByRole("button", { name: "Install" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal(await version(), old, "not before it is confirmed");
  await page.getByRole("button", { name: "Install" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Install" }).click();
  await page.getByRole("heading", { name: `Active: version ${SERIAL}` }).waitFor();
  await page.locator(".toast", { hasText: `Model ${SERIAL} is at work now` }).waitFor();
  assert.equal(await version(), SERIAL);
  await page.screenshot({ path: `${SHOTS}/model.png` });
  await page.getByRole("button", { name: `Roll back to ${old}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("heading", { name: `Active: version ${old}` }).waitFor();
  assert.equal(await version(), old);
});

test("health shows the sensor's own accounting, and that it sums", async () => {
  writeFileSync(at("spool", "scan.pcap.gz"), readFileSync(capture("scan-syn", "pcap.gz")));
  await go(page, "#/health");
  await page.waitForFunction(() => /received [1-9]/.test(document.querySelector("tfoot th")?.textContent ?? ""));
  const sums = await page.locator("tfoot td").allTextContents();
  assert.equal(sums.length, 4);
  assert.ok(sums.every((text) => text.startsWith("= ") && text.endsWith("✓")), sums.join("; "));
  await page.screenshot({ path: `${SHOTS}/health.png` });
});

test("the audit log says who did it", async () => {
  await go(page, "#/audit");
  for (const action of ["model install", "model rollback"]) await page.locator("table.list tbody tr", { hasText: action }).first().waitFor();
  await page.screenshot({ path: `${SHOTS}/audit.png` });
  assert.deepEqual(page.faults, []);
});
