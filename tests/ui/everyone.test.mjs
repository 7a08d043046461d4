// For everyone: no serious fault by axe on any page in either theme, 360 pixels, 4k, keys alone, and each role.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { SHOTS, ask, capture, endBrowser, go, logIn, replay, tab } from "./rig.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let sensor, hashes;
before(async () => {
  sensor = await replay(capture("attack-day", "pcap.zst"));
  await sensor.ended;
  const { items: alerts } = await ask(sensor, "/api/v1/alerts?limit=200");
  const alert = alerts.find((a) => a.opinion === "forest") ?? alerts[0];
  const flow = (await ask(sensor, "/api/v1/flows?min_score=0.6&limit=1")).items[0];
  await ask(sensor, "/api/v1/suppressions", { method: "POST", json: { src: "192.0.2.7", category: "scan", reason: "our own scanner", expires: "2099-01-01T00:00:00Z" } });
  await ask(sensor, "/api/v1/labels", { method: "POST", json: { labels: [{ subject: flow.id, label: "attack", category: "scan", reason: "seen in the firewall's log" }] } });
  hashes = { incidents: "#/incidents", incident: `#/incidents/${encodeURIComponent(alert.incident)}`, alerts: "#/alerts", alert: `#/alerts/${encodeURIComponent(alert.id)}`, flows: "#/flows", flow: `#/flows/${flow.id}`,
    queue: "#/queue", suppressions: "#/suppressions", model: "#/model", health: "#/health", audit: "#/audit" };
});
after(async () => { await endBrowser(); sensor?.stop(); });

const settled = (page) => page.waitForFunction(() => !document.querySelector(".listing .empty:not([hidden])")?.textContent.startsWith("Looking"));

async function faults(page) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`);
}

for (const colorScheme of ["dark", "light"]) {
  test(`axe finds nothing serious, ${colorScheme}`, async () => {
    const page = await tab(sensor.url, { colorScheme, scripts: [AXE], reducedMotion: "reduce" });
    await page.getByLabel("Token").waitFor();
    assert.deepEqual(await faults(page), [], "log in");
    await logIn(page, sensor.token);
    for (const [name, hash] of Object.entries(hashes)) {
      await go(page, hash);
      await settled(page);
      assert.deepEqual(await faults(page), [], name);
      await page.screenshot({ path: `${SHOTS}/${colorScheme}-${name}.png` });
    }
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await faults(page), [], "keys");
    await page.screenshot({ path: `${SHOTS}/${colorScheme}-keys.png` });
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}

test("360 pixels are enough, and 4k is no desert", async () => {
  const page = await tab(sensor.url, { viewport: { width: 360, height: 740 } });
  await logIn(page, sensor.token);
  for (const [name, hash] of Object.entries(hashes)) {
    await go(page, hash);
    await settled(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
    await page.screenshot({ path: `${SHOTS}/360-${name}.png` });
  }
  await page.setViewportSize({ width: 3840, height: 2160 });
  await go(page, hashes.alert);
  await page.screenshot({ path: `${SHOTS}/4k-alert.png` });
  assert.ok(await page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).fontSize)) > 18, "text grows");
  await page.context().close();
});

test("keys alone reach everything, and the focus is seen", async () => {
  const page = await tab(sensor.url);
  await page.getByLabel("Token").waitFor();
  await page.keyboard.type(sensor.token);
  await page.keyboard.press("Enter");
  await page.locator("table.list tbody tr").first().waitFor();
  for (const key of ["a", "f", "q", "s", "m", "h", "u", "i"]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.locator("nav a[aria-current]").waitFor();
  }
  await page.locator("table.list tbody tr").first().waitFor();
  await page.keyboard.press("j");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("next, previous row").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.keyboard.press("t");
  const dark = await ground();
  await page.keyboard.press("t");
  assert.notEqual(await ground(), dark);
  await page.reload();
  await page.locator("#bar").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light", "the choice stays");
  await page.context().close();
});

test("each role sees what it may do, and no more", async () => {
  for (const [role, sees] of [["viewer", { label: 0, add: 0, model: 0, audit: 0 }], ["analyst", { label: 1, add: 1, model: 0, audit: 0 }], ["admin", { label: 1, add: 1, model: 1, audit: 1 }]]) {
    const { token } = await ask(sensor, "/api/v1/tokens", { method: "POST", json: { subject: `a-${role}`, role } });
    const page = await tab(sensor.url);
    await logIn(page, token);
    await go(page, hashes.alert);
    assert.equal(await page.getByRole("button", { name: "Label (l)" }).count(), sees.label, role);
    await page.keyboard.press("l");
    assert.equal(await page.locator("#ask-label").count(), sees.label, role);
    await page.keyboard.press("Escape");
    await go(page, "#/suppressions");
    assert.equal(await page.getByRole("button", { name: "Add a rule" }).count(), sees.add, role);
    assert.equal(await page.getByRole("button", { name: "Lift" }).count(), sees.add, role);
    await go(page, "#/model");
    assert.equal(await page.locator("input[type=file]").count(), sees.model, role);
    assert.equal(await page.getByRole("link", { name: "Audit" }).count(), sees.audit, role);
    const before = page.faults.length;
    await page.evaluate(() => { location.hash = "#/audit"; });
    if (!sees.audit) await page.waitForFunction(() => location.hash === "#/incidents");
    assert.equal(page.faults.length, before);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    await page.context().close();
  }
});

test("a revoked token ends at the login", async () => {
  const { token, id, entry } = await ask(sensor, "/api/v1/tokens", { method: "POST", json: { subject: "leaver", role: "viewer" } });
  const page = await tab(sensor.url);
  await logIn(page, token);
  await ask(sensor, `/api/v1/tokens/${id ?? entry.id}`, { method: "DELETE" });
  await page.getByLabel("Token").waitFor();
  assert.equal(await page.locator("#bar").isVisible(), false);
  await page.context().close();
});
