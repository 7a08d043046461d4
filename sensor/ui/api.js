// Asking the sensor. The login is a cookie that this code cannot read; every address is this server's.

/** The sensor said no, or did not answer (`status` 0). */
export class Refused extends Error {
  constructor(status, detail, requestId) {
    super(detail);
    Object.assign(this, { status, requestId });
  }
}

const listeners = new Set();
/** Calls `listener` when the login is over. */
export const whenLoggedOut = (listener) => listeners.add(listener);

/** One request. `query` leaves out what is empty; `json` or `body` (with `type`) is sent. Gives the parsed answer, or null. */
export async function ask(path, { method = "GET", query, json, body, type, quiet = false } = {}) {
  const asked = Object.entries(query ?? {}).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const address = asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
  const headers = {};
  if (json !== undefined) [body, headers["Content-Type"]] = [JSON.stringify(json), "application/json"];
  else if (type) headers["Content-Type"] = type;
  let answer;
  try {
    answer = await fetch(address, { method, headers, body, credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new Refused(0, "The sensor does not answer. Is it running, and is this machine on the network?");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401 && !quiet) for (const listener of listeners) listener();
  throw new Refused(answer.status, problem.detail ?? problem.title ?? `status ${answer.status}`, answer.headers.get("X-Request-Id"));
}

const post = (path, json) => ask(path, { method: "POST", json });
const part = encodeURIComponent;

export const api = {
  session: () => ask("/api/v1/session", { quiet: true }),
  logIn: (token) => ask("/token", { method: "POST", json: { token }, quiet: true }),
  logOut: () => ask("/token", { method: "DELETE", quiet: true }),
  status: () => ask("/api/v1/status"),
  incidents: (query) => ask("/api/v1/incidents", { query }),
  incident: (id) => ask(`/api/v1/incidents/${part(id)}`),
  alerts: (query) => ask("/api/v1/alerts", { query }),
  alert: (id) => ask(`/api/v1/alerts/${part(id)}`),
  flows: (query) => ask("/api/v1/flows", { query }),
  flow: (id) => ask(`/api/v1/flows/${part(id)}`),
  label: (labels) => post("/api/v1/labels", { labels }),
  labelsOf: (id) => ask(`/api/v1/labels/${part(id)}`),
  withdraw: (id) => ask(`/api/v1/labels/${part(id)}`, { method: "DELETE" }),
  queue: (query) => ask("/api/v1/labels/queue", { query }),
  suppressions: () => ask("/api/v1/suppressions"),
  suppress: (rule) => post("/api/v1/suppressions", rule),
  lift: (id) => ask(`/api/v1/suppressions/${part(id)}`, { method: "DELETE" }),
  blocks: () => ask("/api/v1/blocks"),
  block: (what) => post("/api/v1/blocks", what),
  unblock: (id) => ask(`/api/v1/blocks/${part(id)}`, { method: "DELETE" }),
  model: () => ask("/api/v1/model"),
  verify: (body) => ask("/api/v1/model/verify", { method: "POST", body, type: "application/octet-stream" }),
  install: (body) => ask("/api/v1/model/install", { method: "POST", body, type: "application/octet-stream" }),
  shadow: (body) => ask("/api/v1/model/shadow", { method: "PUT", body, type: "application/octet-stream" }),
  endShadow: () => ask("/api/v1/model/shadow", { method: "DELETE" }),
  rollBack: () => ask("/api/v1/model/rollback", { method: "POST" }),
  audit: (query) => ask("/api/v1/audit", { query }),
};

const RANKS = { viewer: 0, analyst: 1, admin: 2 };
let role = "viewer";
/** Remembers what whoever is logged in may do. */
export const becomes = (known) => { role = known; };
/** Whether whoever is logged in has at least this role. The server decides all the same. */
export const may = (needed) => RANKS[role] >= RANKS[needed];
