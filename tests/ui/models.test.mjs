// Models change hands: a signed file is verified, installed, runs as shadow, and the one before comes back.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RETRAIN, SHOTS, TAPHOUND, ask, capture, daemon, endBrowser, folder, go, logIn, run, tab } from "./rig.mjs";

const SERIAL = 900;
const place = folder();
const at = (...parts) => join(place, ...parts);
let sensor, page;

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
  sensor = await daemon(place);
  page = await tab(sensor.url);
  await logIn(page, sensor.token);
});
after(async () => { await endBrowser(); sensor?.stop(); });

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
