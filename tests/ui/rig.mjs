// A sensor, a browser, and a wire between them that can be cut.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const REPO = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(REPO, "target");
const program = (name) => [process.env.TAPHOUND_BIN, join(TARGET, "debug"), join(TARGET, "release")].filter(Boolean)
  .map((folder) => join(folder, name)).find(existsSync) ?? name;
export const TAPHOUND = program("taphound");
export const RETRAIN = program("taphound-retrain");
export const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].filter(Boolean).find(existsSync);
/** Where screenshots go. */
export const SHOTS = process.env.SCREENSHOTS ?? join(TARGET, "ui-screenshots");
mkdirSync(SHOTS, { recursive: true });
/** A loaded machine is slow; a hang is not waited for longer. */
export const PATIENCE_MS = Number(process.env.UI_PATIENCE_MS ?? 60_000);

export const capture = (name, ending) => join(REPO, "tests/pcaps", name, `capture.${ending}`);

/** A replay that stays up: `{url, token, ended, stop}`. */
export async function replay(file, ...options) {
  const child = spawn(TAPHOUND, ["replay", "--serve=127.0.0.1:0", "--json", ...options, file], { stdio: ["ignore", "ignore", "pipe"] });
  const lines = createInterface({ input: child.stderr });
  const said = [];
  let ended;
  const sensor = { ended: new Promise((done) => { ended = done; }), stop: () => child.kill() };
  await new Promise((ready, fail) => {
    lines.on("line", (line) => {
      said.push(line);
      const serving = /^Serving (http:\S+)\/ui\//.exec(line);
      if (serving) sensor.url = serving[1];
      else if (sensor.url && !sensor.token) { sensor.token = line.trim(); ready(); }
      if (line.startsWith("The replay has ended")) ended();
    });
    child.on("exit", (code) => fail(new Error(`taphound ended with ${code}: ${said.join("\n")}`)));
  });
  return sensor;
}

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** A running sensor that owns a folder, with a token of an admin: `{url, token, stop}`. `more`: TOML behind its settings. */
export async function daemon(place, more = "") {
  const at = (name) => join(place, name);
  const port = await freePort();
  for (const name of ["spool", "state", "keys"]) mkdirSync(at(name), { recursive: true });
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
${more}`);
  const child = spawn(TAPHOUND, ["run", "--config", at("taphound.toml")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => { said += text; });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    if (await fetch(`${url}/healthz`).then((a) => a.ok, () => false)) break;
    if (tries > 300 || child.exitCode !== null) throw new Error(`taphound run does not answer: ${said}`);
    await new Promise((wait) => setTimeout(wait, 200));
  }
  const made = JSON.parse(run(TAPHOUND, ["token", "create", "ann", "--role", "admin", "--json", "--socket", at("control.sock")]));
  return { url, token: made.token, stop: () => child.kill() };
}

/** Runs a program to its end and gives what it printed. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: "utf8", ...options });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.status} ${done.stderr}`);
  return done.stdout;
}

/** A folder that goes with the tests. */
export function folder() {
  const made = mkdtempSync(join(tmpdir(), "taphound-ui-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Asks the API directly, as the check on what the page claims. */
export async function ask(sensor, path, { method = "GET", json, token = sensor.token } = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...(json && { "Content-Type": "application/json" }) };
  const answer = await fetch(sensor.url + path, { method, headers, body: json && JSON.stringify(json) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** A wire to the sensor that can be cut and mended. */
export async function wire(sensor) {
  const { hostname, port } = new URL(sensor.url);
  const open = new Set();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) { near.destroy(); return; }
    const far = createConnection({ host: hostname, port: Number(port) });
    for (const end of [near, far]) {
      open.add(end);
      end.on("error", () => {}).on("close", () => { open.delete(end); near.destroy(); far.destroy(); });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => { whole = false; for (const end of open) end.destroy(); },
    mend: () => { whole = true; },
    stop: () => { for (const end of open) end.destroy(); server.close(); },
  };
}

const FLAGS = ["--disable-gpu"];
if (process.getuid?.() === 0) FLAGS.push("--no-sandbox");
// A page whose files do not come over the network has no address, and Chromium would keep it from this machine's ports.
if (process.env.UI_FROM_DISK) FLAGS.push("--disable-features=LocalNetworkAccessChecks");

let browser;
/** A page of a browser of its own, with every fault that it meets in `faults`: errors, refused scripts, requests elsewhere. */
export async function tab(url, options = {}) {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const { scripts = [], ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...rest });
  context.setDefaultTimeout(PATIENCE_MS);
  for (const content of scripts) await context.addInitScript({ content });
  if (process.env.UI_FROM_DISK) await context.route("**/ui/**", fromDisk);
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) page.faults.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) page.faults.push(`a request to ${request.url()}`);
  });
  await page.goto(`${url}/ui/`);
  return page;
}

export const endBrowser = () => browser?.close();

const KINDS = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
/** For work on the page: files from the folder instead of those in the program, under the program's own headers. */
async function fromDisk(route) {
  const path = new URL(route.request().url()).pathname.replace(/^\/ui\//, "") || "index.html";
  const answer = await route.fetch().catch(() => null);
  if (!answer) { await route.abort(); return; }
  const headers = { ...answer.headers(), "content-type": KINDS[extname(path)] };
  await route.fulfill({ status: 200, headers, body: readFileSync(join(REPO, "sensor/ui", path)) });
}

export async function logIn(page, token) {
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#bar").waitFor();
}

/** Goes to a view and waits until it is drawn. */
export async function go(page, hash) {
  await page.evaluate((to) => {
    if (location.hash === to) return;
    document.getElementById("main").dataset.ready = "";
    location.hash = to;
  }, hash);
  await page.waitForFunction((to) => document.getElementById("main").dataset.ready === to, hash);
}
