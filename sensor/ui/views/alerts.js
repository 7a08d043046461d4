// Alerts, and one alert with everything that explains it.
import { api, may } from "../api.js";
import { button, el, facts, link, panel } from "../dom.js";
import { askLabel } from "../labels.js";
import { list } from "../list.js";
import { suppress } from "../suppress.js";
import { count, endpoint, protocol, span, technique } from "../words.js";
import { packets } from "../packets.js";
import { FILTER, category, filters, heading, history, label, scored, severity, to, up, when } from "./parts.js";
import { explained, lived, related } from "./why.js";

const name = (a) => `${a.category} ${endpoint(a.src_ip, a.src_port)} → ${endpoint(a.dst_ip, a.dst_port)}`;

/** A list of alerts for `query`, inside any view. */
export function alertList(query, shown) {
  const columns = [
    { name: "Severity", cell: (a) => severity(a.severity) },
    { name: "Alert", class: "grow", cell: (a) => link(to("alerts", a.id), name(a), { class: a.revised ? "main revised" : "main" }) },
    { name: "Who says so", class: "why", cell: (a) => a.opinion },
    { name: "Score", cell: (a) => scored(a.score) },
    { name: "State", cell: (a) => [label(a.label), a.suppressed_by ? el("span", { class: "label" }, `hidden by ${a.suppressed_by}`) : "", a.revised ? "revised" : a.provisional ? "running" : ""] },
    { name: "Shown", class: "time", cell: (a) => when(a.shown_us) },
  ];
  return list({
    caption: "Alerts, newest first", columns, nothing: "No alerts that match.",
    read: (cursor) => api.alerts({ ...query, limit: 50, cursor }),
    subject: (a) => ({ ...a, name: name(a), changed: () => shown.refresh?.() }),
  });
}

/** The list. */
export async function alerts(shown, values) {
  const found = alertList({ suppressed: "false", ...values }, shown);
  shown.begin = found.start;
  shown.refresh = found.refresh;
  shown.hear = (event) => { if (event.type === "alert") shown.soon(); };
  const suppressed = { name: "suppressed", label: "Suppressed", choices: ["true", "false"] };
  return el("div", {}, heading("Alerts", "live, newest first; times are UTC"),
    filters("alerts", values, [FILTER.from, FILTER.to, FILTER.category, FILTER.severity, FILTER.address, FILTER.port, FILTER.score, FILTER.label, suppressed]), found.node);
}

/** One alert. */
export async function alert(shown, id) {
  const place = el("div");
  const others = el("div");
  let asked = false;
  shown.refresh = async () => {
    const item = await api.alert(id);
    shown.subject = { ...item, name: name(item), changed: () => shown.refresh?.() };
    place.replaceChildren(...draw(item, shown), others);
    if (!asked) {
      asked = true;
      related(item, item.flow).then((node) => others.replaceChildren(node), () => others.replaceChildren());
    }
  };
  await shown.refresh();
  shown.hear = (event) => { if (event.id === id || event.incident === shown.subject.incident) shown.soon(); };
  return place;
}

function draw(item, shown) {
  const buttons = may("analyst") && [button("Label (l)", () => askLabel(shown.subject)), button("Suppress (s)", () => suppress(shown.subject)), packets(item.id)];
  const states = [item.provisional && "the flow still runs", item.revised && "taken back by the final record", item.suppressed_by && `hidden by suppression ${item.suppressed_by}`];
  return [
    up("alerts", "Alerts"),
    heading([category(item.category), " ", endpoint(item.src_ip, item.src_port), " → ", endpoint(item.dst_ip, item.dst_port)], [severity(item.severity), label(item.label)], buttons),
    panel(null, facts([
      ["Technique", technique(item.category)], ["Who says so", item.opinion === "forest" ? `forest, model ${item.model_version}` : `behaviour counter: ${item.opinion}`],
      ["Score", scored(item.score)], ["Confidence", scored(item.confidence)], ["Novelty", item.novelty === null ? null : scored(item.novelty)],
      ["Protocol", protocol(item.protocol)], ["First packet", when(item.first_us)], ["Lasted", span(item.last_us - item.first_us)], ["Shown", when(item.shown_us)],
      ["State", states.filter(Boolean).join("; ")],
      ["Incident", link(to("incidents", item.incident), "the whole story")],
      ["Flow", item.flow && link(to("flows", item.flow.id), `${count(item.flow.forward.packets + item.flow.backward.packets)} packets`)]])),
    panel("Why", el("ul", { class: "reasons" }, item.reasons.map((reason) => el("li", {}, reason)))),
    item.flow ? explained(item.flow) : item.opinion === "forest" && panel(null, el("p", { class: "quiet" }, "Features and contributions appear when the flow has ended.")),
    lived(item.snapshots, item.flow),
    item.labels.length > 0 && panel("What was said of it", history(item.labels)),
  ].filter(Boolean);
}
