// The page: who is logged in, which view is shown, what the feed says.
import { api, becomes, may, whenLoggedOut } from "./api.js";
import { button, el, link } from "./dom.js";
import { Feed } from "./feed.js";
import { help, listen } from "./keys.js";
import { askLabel, stopAsking } from "./labels.js";
import { subjectAt } from "./list.js";
import { suppress } from "./suppress.js";
import { complain, toast } from "./toast.js";
import { short, span } from "./words.js";
import { logIn } from "./views/login.js";
import { incident, incidents } from "./views/incidents.js";
import { alert, alerts } from "./views/alerts.js";
import { flow, flows } from "./views/flows.js";
import { queue } from "./views/queue.js";
import { suppressions } from "./views/suppressions.js";
import { blocks } from "./views/blocks.js";
import { model } from "./views/model.js";
import { health } from "./views/health.js";
import { audit } from "./views/audit.js";

const STATUS_EVERY_MS = 5000;
const RATES_KEPT = 180;

/** Views in the bar, with the key that follows `g`. */
const VIEWS = [
  { key: "i", name: "Incidents", path: "incidents", list: incidents, one: incident },
  { key: "a", name: "Alerts", path: "alerts", list: alerts, one: alert },
  { key: "f", name: "Flows", path: "flows", list: flows, one: flow },
  { key: "q", name: "Label queue", path: "queue", list: queue },
  { key: "s", name: "Suppressions", path: "suppressions", list: suppressions },
  { key: "b", name: "Blocks", path: "blocks", list: blocks },
  { key: "m", name: "Model", path: "model", list: model },
  { key: "h", name: "Health", path: "health", list: health },
  { key: "u", name: "Audit", path: "audit", list: audit, role: "admin" },
];

const part = (id) => document.getElementById(id);
const main = part("main");
let feed = null;
let timer = 0;
let shown = null;
/** Rates seen since the page was opened, oldest first. */
const rates = [];

const offered = () => VIEWS.filter((view) => !view.role || may(view.role));

async function start() {
  let session;
  try {
    session = await api.session();
  } catch (refused) {
    if (refused.status === 401) keep("taphound-in", null);
    else complain(refused);
    showLogin();
    return;
  }
  keep("taphound-in", "yes");
  becomes(session.role);
  drawBar(session);
  let status = null;
  try {
    status = await look();
  } catch (error) {
    complain(error);
  }
  feed = new Feed();
  feed.addEventListener("state", (event) => tellFeed(event.detail));
  feed.addEventListener("event", (event) => hear(event.detail));
  feed.addEventListener("gap", () => { toast("Too much was missed: reading everything again"); shown?.refresh?.(); });
  feed.addEventListener("over", leave);
  feed.start(status?.feed?.newest);
  timer = setInterval(() => look().catch((error) => { if (error.status === 0 && feed?.state === "live") feed.drop(); }), STATUS_EVERY_MS);
  route();
}

/** Remembers a word in this browser, or forgets it. Private windows may refuse: then it lasts as long as the page. */
function keep(name, word) {
  try {
    if (word) localStorage.setItem(name, word);
    else localStorage.removeItem(name);
  } catch { /* as said */ }
}

/** Whether somebody may be logged in here. Asking the sensor as nobody would leave a refusal in its audit log. */
function mayBeIn() {
  try {
    return localStorage.getItem("taphound-in") !== null;
  } catch {
    return true;
  }
}

function leave() {
  keep("taphound-in", null);
  feed?.end();
  feed = null;
  clearInterval(timer);
  showLogin();
}

function showLogin() {
  stopAsking();
  shown?.end();
  shown = null;
  part("bar").hidden = true;
  part("notice").replaceChildren();
  document.title = "Log in · Taphound";
  main.replaceChildren(logIn(start));
  main.querySelector("input").focus();
}

function drawBar(session) {
  const bar = part("bar");
  bar.replaceChildren(
    link("#/incidents", "Taphound", { class: "brand" }),
    el("nav", { "aria-label": "Views" }, offered().map((v) => link(`#/${v.path}`, v.name, { data: { view: v.path } }))),
    el("div", { class: "state" },
      link("#/health", "", { id: "health", title: "How the sensor is" }),
      el("span", { id: "feed", title: "The feed of news" }),
      button("◐", switchTheme, { class: "plain", id: "theme", "aria-label": "Dark or light", title: "Dark or light (t)" }),
      button("?", () => help(offered()), { class: "plain", "aria-label": "Keys", title: "Keys (?)" }),
      el("span", { class: "who", title: `role: ${session.role}` }, `${session.subject} · ${session.role}`),
      button("Log out", async () => { await api.logOut().catch(complain); leave(); }, { class: "plain" })));
  bar.hidden = false;
  tellFeed({ state: "connecting" });
}

async function look() {
  const status = await api.status();
  rates.push({ at_us: status.now_us, packets: status.traffic.packets_per_second, flows: status.traffic.flows_per_second, bits: status.traffic.bits_per_second });
  if (rates.length > RATES_KEPT) rates.shift();
  const sign = part("health");
  if (sign) {
    sign.className = `pill ${status.health}`;
    sign.textContent = `${status.sensor_id} ${status.health}`;
    sign.title = status.reasons.join("\n") || `${short(status.traffic.packets_per_second)} packets/s`;
  }
  shown?.status?.(status, rates);
  return status;
}

function tellFeed({ state, away_ms, since }) {
  const sign = part("feed");
  if (!sign) return;
  sign.className = `pill ${state}`;
  sign.textContent = { connecting: "feed …", live: "live", lost: "feed lost" }[state];
  const notice = part("notice");
  if (state === "lost") {
    if (!notice.firstChild) notice.replaceChildren(el("p", { class: "lost" }, `Feed lost at ${new Date(since).toISOString().slice(11, 19)} UTC. What is shown may be old; trying again.`));
  } else if (state === "live") {
    notice.replaceChildren();
    if (away_ms) {
      toast(`Feed regained after ${span(away_ms * 1000)}; what was missed is here`);
      shown?.refresh?.();
    }
  }
}

function hear(event) {
  if (event.type === "status") {
    look().catch(() => {});
    if (event.reasons?.length) toast(`Sensor ${event.health}: ${event.reasons.join("; ")}`);
  }
  if (event.type === "model_updated") toast(`Model ${event.version} is at work now`);
  shown?.hear?.(event);
}

async function route() {
  if (!feed) return;
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [name, id] = path.split("/");
  const view = offered().find((v) => v.path === name);
  if (!view || (id && !view.one)) {
    location.replace("#/incidents");
    return;
  }
  stopAsking();
  shown?.end();
  for (const a of document.querySelectorAll("#bar nav a")) {
    if (a.dataset.view === name) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  document.title = `${view.name} · Taphound`;
  const now = new Shown();
  shown = now;
  try {
    const values = Object.fromEntries(new URLSearchParams(query));
    const node = await (id ? view.one(now, decodeURIComponent(id)) : view.list(now, values));
    if (shown !== now) return;
    main.replaceChildren(node);
    scrollTo(0, 0);
    await now.begin?.();
  } catch (error) {
    if (shown === now) main.replaceChildren(el("p", { class: "wrong", role: "alert" }, error.message));
  }
  main.dataset.ready = location.hash;
}

/** What a view gets: it sets `begin`, `refresh`, `hear`, `status`, `subject`; `soon` bundles refreshes. */
class Shown {
  #timers = new Set();
  latest = () => rates;

  /** Refreshes in a moment, and once more when the store has surely caught up with the feed. */
  soon() {
    if (this.#timers.size) return;
    for (const wait of [300, 2000]) {
      const timer = setTimeout(() => { this.#timers.delete(timer); this.refresh?.().catch?.(complain); }, wait);
      this.#timers.add(timer);
    }
  }

  end() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.refresh = this.hear = this.status = undefined;
  }
}

function switchTheme() {
  const root = document.documentElement;
  const next = { undefined: "dark", dark: "light", light: undefined }[root.dataset.theme];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  keep("taphound-theme", next);
  toast(`Theme: ${next ?? "as the system"}`);
}

const subject = () => subjectAt(document.activeElement) ?? shown?.subject ?? null;

whenLoggedOut(() => { if (feed) leave(); });
addEventListener("hashchange", route);
listen({
  views: VIEWS,
  go: (path) => { if (feed) location.hash = `#/${path}`; },
  label: () => askLabel(subject()?.label === false ? null : subject()),
  suppress: () => { if (subject()?.category && feed) suppress(subject()); },
  filter: () => {
    const first = main.querySelector("form.filters input, form.filters select");
    if (first) first.closest("details").open = true;
    first?.focus();
  },
  theme: switchTheme,
  back: () => { if (location.hash.split("/").length > 2) history.back(); },
});
if (mayBeIn()) start();
else showLogin();
