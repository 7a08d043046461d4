// What is stopped is shown with its reason, and let through again from the page; the list for other tools follows.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SHOTS, ask, daemon, endBrowser, folder, go, logIn, tab } from "./rig.mjs";

const SOURCE = "203.0.113.9";
const place = folder();
const listed = () => readFileSync(join(place, "state", "blocks.txt"), "utf8");
let sensor, page, made;
before(async () => {
  sensor = await daemon(place, "[inline]\nlist = true\n");
  made = await ask(sensor, "/api/v1/blocks", { method: "POST", json: { src: SOURCE, reason: "guesses passwords", seconds: 600 } });
  page = await tab(sensor.url);
  await logIn(page, sensor.token);
});
after(async () => { await endBrowser(); sensor?.stop(); });

test("a block is shown with its reason, and lifted after a question", async () => {
  await go(page, "#/blocks");
  const card = page.locator(`[data-block="${made.id}"]`);
  await card.getByText("in force", { exact: true }).waitFor();
  await card.getByText("guesses passwords").waitFor();
  assert.equal(listed(), `${SOURCE}\n`);
  await page.screenshot({ path: `${SHOTS}/blocks.png` });
  await card.getByRole("button", { name: "Lift" }).click();
  const question = page.getByRole("dialog");
  await question.getByText(`Packets of ${SOURCE} will pass again.`).waitFor();
  await question.getByRole("button", { name: "Lift" }).click();
  await card.getByText("lifted", { exact: true }).waitFor();
  assert.equal(listed(), "");
  const { items } = await ask(sensor, "/api/v1/blocks");
  assert.deepEqual(items.map((block) => [block.id, block.active]), [[made.id, false]]);
  const audit = await ask(sensor, "/api/v1/audit");
  assert.ok(audit.items.some((line) => line.action === "block lift" && line.actor === "ann"), JSON.stringify(audit.items));
});

test("a source is blocked from the page, and what cannot be is refused in words", async () => {
  await page.getByRole("button", { name: "Block a source" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Source (address or range)").fill("127.0.0.1");
  await form.getByLabel("Reason").fill("a mistake");
  await form.getByRole("button", { name: "Block" }).click();
  await form.getByText(/protected/).waitFor();
  await form.getByLabel("Source (address or range)").fill("198.51.100.0/24");
  await form.getByRole("button", { name: "Block" }).click();
  await page.getByText(/Block \d+ is in force/).waitFor();
  assert.equal(listed(), "198.51.100.0/24\n");
  assert.deepEqual(page.faults, []);
});
