// Whatever the network or a client sends stays text: names that are markup, in every string of every answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, capture, endBrowser, go, logIn, replay, tab } from "./rig.mjs";

const EVIL = `"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg/onload=window.pwned=1>{{7*7}}javascript:window.pwned=1`;
/** Words that the page acts on keep their meaning: what comes from the network is everything else. */
const OURS = /^(id|incident|type|severity|health|state|source|role|next|schema|digest|subject|label|name)$/;
const VIEWS = ["incidents", "alerts", "flows", "queue", "suppressions", "model", "health", "audit"];

let sensor;
before(async () => { sensor = await replay(capture("scan-syn", "pcap.gz")); await sensor.ended; });
after(async () => { await endBrowser(); sensor?.stop(); });

const nothingRan = async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator("#main img, #main script, #main iframe, #toasts img, dialog img").count(), 0);
  assert.deepEqual(page.faults, []);
};

test("a client's own flow name, a reason and an owner are shown as they are", async () => {
  await ask(sensor, "/predict", { method: "POST", json: { flow_id: EVIL, features: Array.from({ length: 20 }, (_, i) => i) } });
  await ask(sensor, "/api/v1/suppressions", { method: "POST", json: { src: "192.0.2.0/24", reason: EVIL, owner: EVIL } });
  const page = await tab(sensor.url);
  await logIn(page, sensor.token);
  await go(page, "#/flows?source=api");
  await page.locator("table.list tbody tr a", { hasText: EVIL }).click();
  await page.getByRole("heading", { name: EVIL, exact: true }).waitFor();
  await nothingRan(page);
  await page.keyboard.press("l");
  await page.locator("#ask-label", { hasText: EVIL }).waitFor();
  await page.keyboard.press("b");
  await page.locator(".toast", { hasText: EVIL }).waitFor();
  await nothingRan(page);
  await go(page, "#/suppressions");
  await page.locator("#main p", { hasText: EVIL }).first().waitFor();
  await go(page, "#/audit");
  await page.locator("#main td", { hasText: EVIL }).first().waitFor();
  await nothingRan(page);
  await page.context().close();
});

function poison(value, key = "") {
  if (typeof value === "string") return OURS.test(key) ? value : EVIL;
  if (Array.isArray(value)) return value.map((one) => poison(one, key));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, one]) => [k, poison(one, k)]));
  return value;
}

test("answers full of markup change nothing but the text", async () => {
  const { items: [alert] } = await ask(sensor, "/api/v1/alerts?limit=1");
  const { items: [flow] } = await ask(sensor, "/api/v1/flows?limit=1");
  const page = await tab(sensor.url);
  await logIn(page, sensor.token);
  await go(page, "#/audit");
  let poisoned = 0;
  await page.route("**/api/v1/**", async (route) => {
    if (route.request().url().endsWith("/session")) { await route.continue(); return; }
    const answer = await route.fetch();
    poisoned += 1;
    await route.fulfill({ response: answer, json: poison(await answer.json()) });
  });
  const hashes = [...VIEWS.map((view) => `#/${view}`), `#/alerts/${encodeURIComponent(alert.id)}`, `#/incidents/${encodeURIComponent(alert.incident)}`, `#/flows/${flow.id}`];
  for (const hash of hashes) {
    await go(page, hash);
    await page.locator("#main", { hasText: "onerror" }).waitFor().catch((error) => { throw new Error(`${hash}: ${error.message}`); });
    await nothingRan(page);
  }
  assert.ok(poisoned >= hashes.length);
  await page.context().close();
});

test("the page allows no script of its own text", async () => {
  const answer = await fetch(`${sensor.url}/ui/`);
  const policy = answer.headers.get("content-security-policy");
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(rule), rule);
  assert.ok(!/unsafe/.test(policy));
});
