// An analyst's day: an attack arrives, is opened, labelled, suppressed; the feed is lost and comes back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SHOTS, ask, capture, endBrowser, go, logIn, replay, tab, wire } from "./rig.mjs";

let sensor, line, page;
before(async () => {
  // Paced, so that the browser is there before the attack is.
  sensor = await replay(capture("attack-day", "pcap.zst"), "--speed", "10");
  line = await wire(sensor);
  page = await tab(line.url);
});
after(async () => { await endBrowser(); line?.stop(); sensor?.stop(); });

test("a wrong token is refused in words, a good one lets in", async () => {
  await page.getByLabel("Token").fill("not-a-token");
  await page.keyboard.press("Enter");
  await page.getByText("the token is not valid").waitFor();
  await logIn(page, sensor.token);
  await page.locator("#feed", { hasText: "live" }).waitFor();
  const cookies = await page.context().cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly), "scripts cannot read the login");
});

test("incidents appear as they happen, without a reload", async () => {
  await page.evaluate(() => { window.stayed = true; });
  const before = await page.locator("table.list tbody tr").count();
  await page.waitForFunction((n) => document.querySelectorAll("table.list tbody tr").length > n, before);
  assert.ok(await page.evaluate(() => window.stayed));
  await page.screenshot({ path: `${SHOTS}/live.png` });
});

test("a lost feed is said, and what was missed is there when it is back", async () => {
  line.cut();
  await page.locator("#feed", { hasText: "feed lost" }).waitFor();
  await page.getByText("Feed lost at").waitFor();
  await page.screenshot({ path: `${SHOTS}/feed-lost.png` });
  await sensor.ended;
  line.mend();
  await page.locator("#feed", { hasText: "live" }).waitFor();
  await page.getByText(/Feed regained after/).waitFor();
  await page.getByText("Feed lost at").waitFor({ state: "detached" });
  const { items } = await ask(sensor, "/api/v1/incidents?limit=50");
  assert.ok(items.length >= 3, `an attack day has several incidents: ${items.length}`);
  await page.waitForFunction((n) => document.querySelectorAll("table.list tbody tr").length === n, items.length);
});

test("an incident opens by keys, its alert explains itself", async () => {
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Why" }).waitFor();
  await page.getByText("Technique").waitFor();
  await page.screenshot({ path: `${SHOTS}/incident.png` });
  await page.locator("table.list tbody tr").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Incidents", level: 1 }).waitFor();
  const { items } = await ask(sensor, "/api/v1/alerts?limit=1000");
  const forest = await firstWithFlow(items);
  await go(page, `#/alerts/${encodeURIComponent(forest.id)}`);
  await page.getByText(/add up to the score/).waitFor();
  const parts = await page.locator("table.bars:has(svg.bar) tbody tr").count();
  assert.equal(parts, 20);
  assert.equal(await page.locator("svg.strip").count(), 20);
  const shown = await page.locator("table.bars:has(svg.bar) tbody tr td:last-child").allTextContents();
  const sum = shown.map((text) => Number(text.replace("−", "-").replace("±", ""))).reduce((a, b) => a + b);
  const base = forest.detail.flow.base;
  assert.ok(Math.abs(base + sum - forest.detail.flow.score) < 0.02, "what is shown adds up");
  await page.getByRole("heading", { name: "Related flows" }).waitFor();
  await page.screenshot({ path: `${SHOTS}/alert.png`, fullPage: true });
});

async function firstWithFlow(alerts) {
  for (const alert of alerts.filter((a) => a.opinion === "forest" && !a.revised)) {
    const detail = await ask(sensor, `/api/v1/alerts/${encodeURIComponent(alert.id)}`);
    if (detail.flow && detail.flow.base !== null) return { ...alert, detail };
  }
  throw new Error("no alert of the forest has a flow");
}

test("two keys label, one takes back", async () => {
  const id = decodeURIComponent((await page.evaluate(() => location.hash)).split("/")[2]);
  const label = async () => (await ask(sensor, `/api/v1/alerts/${encodeURIComponent(id)}`)).label;
  for (const [key, name] of [["b", "benign"], ["u", "unsure"], ["a", "attack"]]) {
    await page.keyboard.press("l");
    await page.keyboard.press(key);
    await page.locator(".heading .label", { hasText: name }).waitFor();
    assert.equal(await label(), name);
  }
  await page.keyboard.press("z");
  await page.locator(".heading .label").waitFor({ state: "detached" });
  assert.equal(await label(), null);
  await page.keyboard.press("l");
  await page.keyboard.press("a");
  await page.locator(".heading .label", { hasText: "attack" }).waitFor();
});

test("two keys suppress, with a reason and an end; it can be lifted", async () => {
  await page.keyboard.press("s");
  await page.getByRole("dialog").waitFor();
  await page.screenshot({ path: `${SHOTS}/suppress.png` });
  await page.keyboard.press("Enter");
  await page.getByText(/Suppression \d+ is in force/).waitFor();
  const { items: [rule] } = await ask(sensor, "/api/v1/suppressions");
  assert.ok(rule.active && rule.src && rule.reason.startsWith("Known: ") && rule.expires_us > Date.now() * 1000);
  await go(page, "#/suppressions");
  await page.locator(`[data-rule="${rule.id}"]`).getByText("in force", { exact: true }).waitFor();
  await page.screenshot({ path: `${SHOTS}/suppressions.png` });
  await page.getByRole("button", { name: "Lift" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Lift" }).click();
  await page.locator(`[data-rule="${rule.id}"]`).getByText("lifted", { exact: true }).waitFor();
  assert.equal((await ask(sensor, "/api/v1/suppressions")).items[0].active, false);
});

test("flows are found by filters and read page by page", async () => {
  await go(page, "#/flows");
  const rows = page.locator("table.list tbody tr");
  await page.waitForFunction(() => document.querySelectorAll("table.list tbody tr").length === 100);
  await page.getByRole("button", { name: "Show more" }).click();
  await page.waitForFunction(() => document.querySelectorAll("table.list tbody tr").length === 200);
  const ids = await rows.evaluateAll((all) => all.map((tr) => tr.dataset.id));
  assert.equal(new Set(ids).size, 200, "no flow twice");
  await page.keyboard.press("/");
  await page.getByLabel("Address or range").fill("198.18.5.66/32");
  await page.getByLabel("Port").fill("22");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.includes("address="));
  await page.waitForFunction(() => [...document.querySelectorAll("table.list tbody tr a")].every((a) => a.textContent.includes("198.18.5.66")) && document.querySelector("table.list tbody tr"));
  await rows.first().locator("a").click();
  const community = await page.locator("dd code", { hasText: /^1:/ }).textContent();
  await go(page, `#/flows?${new URLSearchParams({ community_id: community })}`);
  await rows.first().waitFor();
  await go(page, "#/flows?address=nonsense");
  await page.getByText(/address/).last().waitFor();
});

test("the queue goes on to the next flow by itself", async () => {
  await go(page, "#/queue");
  await page.locator("table.list tbody tr").first().waitFor();
  assert.ok(await page.getByText("random 1 %").count() > 0, "random flows are in it");
  await page.keyboard.press("j");
  const first = await page.evaluate(() => document.activeElement.closest("tr").dataset.id);
  await page.keyboard.press("l");
  await page.keyboard.press("b");
  await page.waitForFunction((id) => document.activeElement.closest("tr")?.dataset.id !== id, first);
  assert.equal((await ask(sensor, `/api/v1/flows/${first}`)).label, "benign");
  await page.screenshot({ path: `${SHOTS}/queue.png` });
});

test("drift compares features with what the model was trained on", async () => {
  await go(page, "#/model");
  await page.getByRole("button", { name: /Compare the newest/ }).click();
  await page.getByText(/chance alone gives/).waitFor();
  const rows = page.locator("table.bars tbody tr");
  assert.equal(await rows.count(), 20);
  const values = (await rows.locator("td:nth-child(2)").allTextContents()).map(Number);
  assert.ok(values.every((v) => v >= 0) && values.some((v) => v > 0) && [...values].sort((a, b) => b - a).join() === values.join());
});

test("the stability index is what its formula says", async () => {
  const found = await page.evaluate(async () => {
    const { psi } = await import("/ui/views/drift.js");
    const probabilities = Array.from({ length: 11 }, (_, i) => i / 10);
    const quantiles = probabilities.map((p) => p * 100);
    const even = Array.from({ length: 100 }, (_, i) => i + 0.5);
    return [psi(even, quantiles, probabilities), psi(even.map((v) => v / 10), quantiles, probabilities), psi(even.map(() => 0), quantiles.map(() => 0), probabilities)];
  });
  const [here, rest] = [100.5 / 105, 0.5 / 105];
  const moved = (here - 0.1) * Math.log(here / 0.1) + 9 * (rest - 0.1) * Math.log(rest / 0.1);
  for (const [i, psi, bins] of [[0, 0, 10], [1, moved, 10], [2, 0, 1]]) {
    assert.equal(found[i].bins, bins);
    assert.ok(Math.abs(found[i].psi - psi) < 1e-9, `${found[i].psi} is not ${psi}`);
  }
});

test("the page met no fault, and asked nobody else", () => {
  assert.deepEqual(page.faults, []);
});
