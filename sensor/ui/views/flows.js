// Flows that have ended, and one flow.
import { api, may } from "../api.js";
import { button, el, facts, link, panel } from "../dom.js";
import { askLabel } from "../labels.js";
import { list } from "../list.js";
import { suppress } from "../suppress.js";
import { bytes, count, endpoint, flags, protocol, short, span } from "../words.js";
import { packets } from "../packets.js";
import { FILTER, category, filters, heading, history, label, scored, to, up, when } from "./parts.js";
import { explained, lived, related } from "./why.js";

/** Who spoke to whom; what a client sent has a name only. */
export const flowName = (f) => (f.src_ip ? `${protocol(f.protocol)} ${endpoint(f.src_ip, f.src_port)} → ${endpoint(f.dst_ip, f.dst_port)}` : f.flow_id);

/** Columns of a table of flows. */
export const flowColumns = [
  { name: "Flow", class: "grow", cell: (f) => link(to("flows", f.id), flowName(f), { class: "main" }) },
  { name: "Name", class: "why", cell: (f) => f.context?.name ?? "" },
  { name: "Category", cell: (f) => category(f.category) },
  { name: "Score", cell: (f) => scored(f.score) },
  { name: "Label", cell: (f) => label(f.label ?? f.true_label) },
  { name: "Packets", class: "number", cell: (f) => count(f.forward.packets + f.backward.packets) },
  { name: "Bytes", class: "number", cell: (f) => short(f.forward.bytes + f.backward.bytes) },
  { name: "Lasted", class: "number", cell: (f) => span(f.end_us - f.start_us) },
  { name: "Start", class: "time", cell: (f) => when(f.start_us) },
];

export const flowSubject = (f, changed) => ({ ...f, name: flowName(f), category: f.category === "benign" ? null : f.category, changed });

/** The table. */
export async function flows(shown, values) {
  const found = list({
    caption: "Flows, newest first", columns: flowColumns, nothing: "No flows that match.",
    read: (cursor) => api.flows({ ...values, limit: 100, cursor }),
    subject: (f) => flowSubject(f, () => shown.refresh?.()),
  });
  shown.begin = found.start;
  shown.refresh = found.refresh;
  const alerted = { name: "alerted", label: "Alerted", choices: ["true", "false"] };
  return el("div", {}, heading("Flows", "that have ended, newest first; times are UTC", button("Read again", () => found.refresh())),
    filters("flows", values, [FILTER.from, FILTER.to, FILTER.address, FILTER.port, FILTER.anyCategory, FILTER.score, FILTER.most, FILTER.label, alerted, FILTER.community]), found.node);
}

/** One flow. */
export async function flow(shown, id) {
  const place = el("div");
  const others = el("div");
  let asked = false;
  shown.refresh = async () => {
    const item = await api.flow(id);
    shown.subject = flowSubject(item, () => shown.refresh?.());
    place.replaceChildren(...draw(item, shown), others);
    if (!asked) {
      asked = true;
      related(item, item).then((node) => others.replaceChildren(node), () => others.replaceChildren());
    }
  };
  await shown.refresh();
  return place;
}

const KINDS = { tls_sni: "TLS server", dns_name: "DNS question", http_host: "HTTP host" };

function side(name, sent) {
  const cells = [count(sent.packets), bytes(sent.bytes), bytes(sent.header_bytes), `${count(sent.len_max)} B`, flags(sent.flags), count(sent.retransmissions), count(sent.out_of_order)];
  return el("tr", {}, el("th", { scope: "row" }, name), cells.map((c) => el("td", { class: "number" }, c)));
}

function draw(f, shown) {
  const buttons = may("analyst") && [button("Label (l)", () => askLabel(shown.subject)),
    shown.subject.category && button("Suppress (s)", () => suppress(shown.subject)), f.source === "capture" && packets(f.id)];
  const heads = ["Side", "Packets", "Payload", "Headers", "Largest", "Flags", "Resent", "Out of order"];
  return [
    up("flows", "Flows"),
    heading(flowName(f), [category(f.category), label(f.label)], buttons),
    panel(null, facts([
      ["Score", scored(f.score)], ["Confidence", scored(f.confidence)], ["Novelty", f.novelty === null ? null : scored(f.novelty)], ["Model", f.model_version],
      [KINDS[f.context?.kind] ?? "Name", f.context?.name], ["Start", when(f.start_us)], ["Lasted", span(f.end_us - f.start_us)], ["Ended by", f.end_reason],
      ["VLAN", f.vlan], ["Source", f.source], ["Centre says", f.true_label], ["Flow id", el("code", {}, f.flow_id)], ["Community ID", f.community_id && el("code", {}, f.community_id)], ["uid", el("code", {}, f.id)]])),
    f.source === "capture" && panel("What each side sent", el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What each side sent" }, el("table", { class: "bars" },
      el("thead", {}, el("tr", {}, heads.map((h, i) => el("th", { scope: "col", class: i ? "number" : null }, h)))),
      el("tbody", {}, side("initiator", f.forward), side("responder", f.backward))))),
    explained(f),
    lived(f.snapshots, f),
    f.labels.length > 0 && panel("What was said of it", history(f.labels)),
  ].filter(Boolean);
}
