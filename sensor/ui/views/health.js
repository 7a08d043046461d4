// How the sensor is: rates, sources and their drops, and where every packet, flow and detection went.
import { spark } from "../charts.js";
import { el, empty, facts, panel } from "../dom.js";
import { bytes, count, exactTime, short, span } from "../words.js";
import { api } from "../api.js";
import { heading, when } from "./parts.js";

/** The identities, as `taphound replay --summary json` has them: a total and the terms that must make it up. */
const IDENTITIES = [
  ["Packets", "packets", "received", ["metered", "filtered", "duplicates_removed", "not_ip", "unsupported_link", "malformed", "fragments_unmatched", "shed", "queued"]],
  ["Flows started", "flows", "started", ["ended", "active"]],
  ["Flows ended", "flows", "ended", ["scored", "shed_unscored", "queued"]],
  ["Detections", "detections", "made", ["stored", "dropped_at_queue", "store_failed", "queued"]],
];

export async function health(shown) {
  const place = el("div");
  shown.status = (status, rates) => place.replaceChildren(...draw(status, rates).filter(Boolean));
  shown.refresh = async () => shown.status?.(await api.status(), shown.latest());
  await shown.refresh();
  return el("div", {}, heading("Health", "read every five seconds"), place);
}

function draw(s, rates) {
  const t = s.traffic;
  const rate = (name, now, key) => el("div", { class: "rate" }, el("b", {}, now), el("span", {}, name),
    rates.length > 1 && spark(rates.map((r) => r[key]), `${name} since this page was opened`));
  return [
    el("section", { class: "panel" },
      el("div", { class: "heading" }, el("h2", {}, s.sensor_id), el("span", { class: `pill ${s.health}` }, s.health)),
      s.reasons.length > 0 && el("ul", { class: "reasons" }, s.reasons.map((r) => el("li", {}, r))),
      facts([["Version", s.version], ["Up", span(s.now_us - s.started_us)], ["Started", when(s.started_us)], ["Memory", bytes(s.host.rss_bytes)], ["CPU used", `${s.host.cpu_seconds.toFixed(1)} s`], ["Threads", s.host.threads], ["Alerts", count(t.alerts)], ["Incidents", count(t.incidents)]])),
    el("section", { class: "panel rates" }, rate("packets/s", short(t.packets_per_second), "packets"), rate("bit/s", short(t.bits_per_second), "bits"), rate("new flows/s", short(t.flows_per_second), "flows"),
      el("div", { class: "rate" }, el("b", {}, short(t.flows_active)), el("span", {}, t.flows_max ? `flows held, of ${short(t.flows_max)}` : "flows held"))),
    panel("Sources", s.sources.length ? sources(s.sources) : empty("No live source: this is a replay.")),
    coming(s),
    fit(s),
    second(s.corroboration),
    kept(s.evidence, s.now_us),
    panel("Accounting", el("div", { class: "side" }, IDENTITIES.map((identity) => account(identity, s.accounting)))),
    el("div", { class: "side" },
      panel("Store", facts([["File", el("code", {}, s.store.path)], ["Takes rows", s.store.writable ? "yes" : "no"], ["Fault", s.store.fault], ["Size", bytes(s.store.bytes)], ["Log", bytes(s.store.wal_bytes)], ["Waiting", count(s.store.queued)],
        ...Object.entries(s.store.rows).map(([name, n]) => [name, count(n)]), ...Object.entries(s.store.dropped).filter(([, n]) => n).map(([name, n]) => [`${name} that made room`, count(n)])])),
      panel("Feed", facts([["Newest event", s.feed.newest ? String(s.feed.newest) : "none yet"], ["Listeners", count(s.feed.listeners)], ["Not told for want of room", count(s.feed.dropped)]])),
      s.latency.length > 0 && panel("How long stages take", el("table", { class: "bars" },
        el("thead", {}, el("tr", {}, ["Stage", "Times", "Half are faster than", "One in 100 is slower than"].map((n, i) => el("th", { scope: "col", class: i ? "number" : null }, n)))),
        el("tbody", {}, s.latency.map((l) => el("tr", {}, el("th", { scope: "row" }, l.stage), el("td", { class: "number" }, count(l.count)), el("td", { class: "number" }, span(l.p50_us)), el("td", { class: "number" }, span(l.p99_us)))))))),
  ];
}

function sources(all) {
  const heads = ["Source", "State", "Packets", "Kernel dropped", "Interface dropped", "Too large", "One way only", "Newest packet"];
  const lost = (n) => el("td", { class: n ? "number bad" : "number" }, count(n));
  const row = (s) => el("tr", {}, el("th", { scope: "row" }, s.name), el("td", {}, el("span", { class: `pill ${s.state === "up" || s.state === "ended" ? "ok" : "degraded"}` }, s.state), s.reason ? ` ${s.reason}` : ""),
    el("td", { class: "number" }, count(s.received)), lost(s.kernel_dropped), lost(s.interface_dropped), el("td", { class: "number" }, count(s.offloaded)),
    el("td", { class: "number" }, s.one_way_share === null ? "" : `${(s.one_way_share * 100).toFixed(1)} %`), el("td", { class: "time" }, exactTime(s.last_packet_us)));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Sources" }, el("table", { class: "bars" },
    el("thead", {}, el("tr", {}, heads.map((n, i) => el("th", { scope: "col", class: i > 1 && i < 7 ? "number" : null }, n)))), el("tbody", {}, all.map(row))));
}

/** What readings are heading for. */
function coming(s) {
  const warnings = s.appliance?.warnings ?? [];
  return warnings.length ? panel("What is coming", el("ul", { class: "reasons" }, warnings.map((w) => el("li", {}, `${w.concern}: ${w.text}`)))) : null;
}

/** The other engine whose alerts are joined with ours. */
function second(c) {
  if (!c?.file) return null;
  return panel("Second witness", el("p", {}, el("span", { class: `pill ${c.reading ? "ok" : "degraded"}` }, c.reading ? "reading" : "waiting"), ` ${c.fault ?? ""}`),
    facts([["File", el("code", {}, c.file)], ["Its alerts", count(c.heard)], ["Joined to incidents", count(c.joined)], ["Its alone", count(c.heard - c.joined)], ["Incidents with two witnesses", count(c.incidents)],
      ["Confirmed by it", count(c.confirmed)], ["Lines", count(c.lines)], ["Malformed or too long", count(c.malformed + c.too_long)], ["Opened anew", count(c.reopened)], ["Found shorter", count(c.truncated)]]));
}

/** The newest packets on disk. */
function kept(e, now) {
  if (!e || e.mode === "off") return null;
  return panel("Evidence", facts([["Kept of each packet", e.mode], ["On disk", bytes(e.bytes)], ["Of at most", bytes(e.quota_bytes)], ["Reaches back", e.oldest_us ? span(now - e.oldest_us) : "nothing yet"],
    ["Packets kept", count(e.packets)], ["Shed", count(e.shed)], ["Failed", count(e.failed)]]));
}

/** Whether each model still fits: what it judged, how far flows have moved, what labels say. */
function fit(s) {
  const models = s.model_health ?? [];
  if (!models.length) return null;
  const heads = ["Model", "Role", "Flows", "Called attacks", "Largest PSI", "of", "PSI of the score", "Moved since it began", "Labels", "Errors", "Precision (alerted)", "Recall (random 1 %)"];
  const share = (n) => (n === null || n === undefined ? "" : `${(n * 100).toFixed(1)} %`);
  const index = (n) => (n === null || n === undefined ? "" : n.toFixed(2));
  const row = (m) => el("tr", {}, el("th", { scope: "row" }, m.version), el("td", {}, m.role),
    [count(m.flows), share(m.alert_rate), index(m.psi?.max)].map((t) => el("td", { class: "number" }, t)), el("td", {}, m.psi?.max_feature ?? ""),
    [index(m.psi?.score), index(m.psi?.shift_max), m.labels ? count(m.labels.labelled) : "", share(m.labels?.error_rate), share(m.labels?.alerted.precision), share(m.labels?.random.recall)].map((t) => el("td", { class: "number" }, t)));
  const state = { settling: "", calm: "ok", unlike: "", moved: "degraded", failing: "critical" }[s.drift.state] ?? "";
  return panel("Does the model still fit?",
    el("p", {}, el("span", { class: `pill ${state}` }, s.drift.state), ` ${s.drift.reason}`),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Models" }, el("table", { class: "bars" },
      el("thead", {}, el("tr", {}, heads.map((n, i) => el("th", { scope: "col", class: i > 1 && i !== 5 ? "number" : null }, n)))), el("tbody", {}, models.map(row)))));
}

function account([title, block, total, terms], accounting) {
  const counts = accounting[block];
  if (!(total in counts)) return el("div", {}, el("h3", {}, title), empty("Not counted here."));
  const sum = terms.reduce((n, term) => n + (counts[term] ?? 0), 0);
  const even = sum === counts[total];
  const row = (term) => el("tr", { class: counts[term] ? null : "zero" }, el("th", { scope: "row" }, term.replaceAll("_", " ")), el("td", { class: "number" }, count(counts[term] ?? 0)));
  return el("table", { class: "bars account" }, el("caption", {}, title),
    el("tbody", {}, terms.map(row)),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, `${total} ${count(counts[total])}`), el("td", { class: even ? "number good" : "number bad" }, even ? `= ${count(sum)} ✓` : `≠ ${count(sum)}`))));
}
