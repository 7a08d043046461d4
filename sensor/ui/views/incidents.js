// Incidents as they come, and one incident with its alerts.
import { api, may } from "../api.js";
import { button, el, facts, link, panel } from "../dom.js";
import { askLabel } from "../labels.js";
import { list } from "../list.js";
import { suppress } from "../suppress.js";
import { count, endpoint, span, technique } from "../words.js";
import { alertList } from "./alerts.js";
import { FILTER, category, filters, heading, scored, severity, to, up, when } from "./parts.js";

const ALERTS_MAX = 1000;

/** What keys act on: the incident's alerts. */
const subjectOf = (item, changed) => ({
  ...item, name: `${item.category} ${endpoint(item.src_ip)} → ${endpoint(item.dst_ip, item.dst_port)}`, changed,
  ids: async () => (await api.alerts({ incident: item.id, limit: ALERTS_MAX })).items.map((a) => a.id),
});

/** The list. */
export async function incidents(shown, values) {
  const columns = [
    { name: "Severity", cell: (i) => severity(i.severity) },
    { name: "Incident", class: "grow", cell: (i) => link(to("incidents", i.id), `${i.category}  ${endpoint(i.src_ip)} → ${endpoint(i.dst_ip, i.dst_port)}`, { class: i.revised ? "main revised" : "main" }) },
    { name: "Why", class: "why", cell: (i) => [i.reasons[0] ?? "", i.witnesses?.length ? el("span", { class: "pill" }, `${i.witnesses[0].engine}, too`) : null] },
    { name: "Alerts", class: "number", cell: (i) => count(i.alerts) },
    { name: "Score", cell: (i) => scored(i.score) },
    { name: "First", class: "time", cell: (i) => when(i.first_us) },
    { name: "Lasted", class: "number", cell: (i) => span(i.last_us - i.first_us) },
  ];
  const found = list({
    caption: "Incidents, newest first", columns, nothing: "No incidents. They appear here as they happen.",
    read: (cursor) => api.incidents({ ...values, limit: 50, cursor }),
    subject: (item) => subjectOf(item, () => shown.refresh?.()),
  });
  shown.begin = found.start;
  shown.refresh = found.refresh;
  shown.hear = (event) => { if (event.type === "incident" || event.type === "alert") shown.soon(); };
  return el("div", {}, heading("Incidents", "live, newest first; times are UTC"),
    filters("incidents", values, [FILTER.from, FILTER.to, FILTER.category, FILTER.severity, FILTER.address, FILTER.port]), found.node);
}

/** One incident. */
export async function incident(shown, id) {
  const place = el("div");
  let open = null;
  shown.refresh = async () => {
    const item = await api.incident(id);
    open ??= alertList({ incident: id }, shown);
    shown.subject = subjectOf(item, () => shown.refresh?.());
    draw(place, item, open, shown);
    await open.refresh();
  };
  await shown.refresh();
  shown.hear = (event) => { if (event.incident === id || event.id === id) shown.soon(); };
  return place;
}

function draw(place, item, alerts, shown) {
  const act = () => shown.subject;
  const buttons = may("analyst") && [
    button("Label its alerts (l)", () => askLabel(act())), button("Suppress (s)", () => suppress(act()))];
  const head = el("div", {},
    up("incidents", "Incidents"),
    heading([category(item.category), " ", endpoint(item.src_ip), " → ", endpoint(item.dst_ip, item.dst_port)], severity(item.severity), buttons),
    item.revised && el("p", { class: "quiet" }, "Every alert of it was taken back by the final records."),
    panel(null, facts([
      ["Technique", technique(item.category)], ["Score", scored(item.score)], ["Detections", count(item.detections)], ["Alerts", count(item.alerts)],
      ["First packet", when(item.first_us)], ["Last packet", when(item.last_us)], ["Lasted", span(item.last_us - item.first_us)],
      ["Flows", link(flowsOf(item), "in this time, of this address")]])),
    panel("Why", el("ul", { class: "reasons" }, item.reasons.map((reason) => el("li", {}, reason)))),
    witnesses(item));
  if (place.firstChild) place.firstChild.replaceWith(head);
  else place.append(head, el("section", { class: "panel" }, el("h2", {}, "Alerts"), alerts.node));
}

/** What another engine said of the same conversations. */
function witnesses(item) {
  const said = item.witnesses ?? [];
  if (!said.length) return null;
  const heads = ["Engine", "Rule", "Says", "Class", "Severity", "Alerts", "First", "Last", "Joined by"];
  const row = (w) => el("tr", {}, el("th", { scope: "row" }, w.engine), el("td", {}, `${w.generator}:${w.signature_id}`), el("td", {}, w.signature), el("td", {}, w.class),
    el("td", { class: "number" }, w.severity), el("td", { class: "number" }, count(w.alerts)), el("td", { class: "time" }, when(w.first_us)), el("td", { class: "time" }, when(w.last_us)),
    el("td", {}, w.joined_by === "flow" ? "conversation" : "addresses"));
  return panel("Second witness", el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Second witness" }, el("table", { class: "bars" },
    el("thead", {}, el("tr", {}, heads.map((n, i) => el("th", { scope: "col", class: i === 4 || i === 5 ? "number" : null }, n)))), el("tbody", {}, said.map(row)))));
}

function flowsOf(item) {
  const query = { from: String(Math.floor(item.first_us / 1e6)), to: String(Math.ceil(item.last_us / 1e6) + 1) };
  const address = item.src_ip ?? item.dst_ip;
  if (address) query.address = address;
  return `#/flows?${new URLSearchParams(query)}`;
}
