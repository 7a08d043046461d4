// Why a flow was judged so: contributions, values among the training data, its life, what is around it.
import { api } from "../api.js";
import { contributions, life, ranks } from "../charts.js";
import { el, empty, link, panel } from "../dom.js";
import { endpoint, protocol, score, short, span } from "../words.js";
import { category, scored, to, when } from "./parts.js";

const AROUND_S = 300;
const RELATED_MAX = 12;

/** Contributions and ranks of a flow. */
export function explained(flow) {
  const told = flow.base !== null && flow.base !== undefined;
  return el("div", { class: "side" },
    panel("What spoke for and against", told ? contributions(flow.features, flow.base, flow.score)
      : empty(`Model ${flow.model_version} is not at work any more, and only it could say.`)),
    panel("Its features among the training data", ranks(flow.features, flow.probabilities)));
}

/** The score over a flow's life. */
export function lived(snapshots, flow) {
  const points = [...snapshots];
  if (flow) points.push({ packets: flow.forward.packets + flow.backward.packets, at_us: flow.end_us, category: flow.category, score: flow.score, last: true });
  if (!points.length) return null;
  const row = (p) => el("tr", {}, el("th", { scope: "row" }, p.last ? "final record" : p.packets ? `at ${p.packets} packets` : "when it closed"),
    el("td", {}, when(p.at_us)), el("td", {}, category(p.category)), el("td", {}, scored(p.score)));
  return panel("Its life", points.length > 1 && life(points), el("table", { class: "bars" },
    el("thead", {}, el("tr", {}, ["Seen", "When", "Category", "Score"].map((t) => el("th", { scope: "col" }, t)))), el("tbody", {}, points.map(row))));
}

/** Flows of the same attacker five minutes around, those that met the same victim, and those with the same Community ID. */
export async function related(item, flow) {
  const asks = [];
  if (flow?.community_id) asks.push(["Same Community ID", { community_id: flow.community_id }]);
  const [first, last] = [item.first_us ?? item.start_us, item.last_us ?? item.end_us];
  const around = { from: Math.floor(first / 1e6) - AROUND_S, to: Math.ceil(last / 1e6) + AROUND_S };
  if (item.src_ip) asks.push([`Of ${item.src_ip}, ${AROUND_S / 60} minutes around`, { address: item.src_ip, ...around }]);
  if (item.dst_ip) asks.push([`Of ${endpoint(item.dst_ip, item.dst_port)}, ${AROUND_S / 60} minutes around`, { address: item.dst_ip, port: item.dst_port ?? "", ...around }]);
  const answers = await Promise.all(asks.map(([, query]) => api.flows({ ...query, limit: RELATED_MAX + 1 })));
  const parts = answers.map((answer, i) => {
    const others = answer.items.filter((f) => f.id !== (flow?.id ?? item.id)).slice(0, RELATED_MAX);
    if (!others.length) return null;
    return [el("h3", {}, asks[i][0]), small(others), link(`#/flows?${new URLSearchParams(Object.entries(asks[i][1]).filter(([, value]) => value !== ""))}`, "all of them")];
  });
  return parts.some(Boolean) ? panel("Related flows", parts) : el("div");
}

const small = (flows) => el("table", { class: "bars" },
  el("thead", {}, el("tr", {}, ["Flow", "Start", "Lasted", "Bytes", "Category", "Score"].map((t, i) => el("th", { scope: "col", class: i === 2 || i === 3 ? "number wide" : null }, t)))),
  el("tbody", {}, flows.map((f) => el("tr", {},
    el("td", {}, link(to("flows", f.id), `${protocol(f.protocol)} ${endpoint(f.src_ip, f.src_port)} → ${endpoint(f.dst_ip, f.dst_port)}`)),
    el("td", { class: "time" }, when(f.start_us)), el("td", { class: "number wide" }, span(f.end_us - f.start_us)), el("td", { class: "number wide" }, short(f.forward.bytes + f.backward.bytes)),
    el("td", {}, category(f.category)), el("td", {}, score(f.score))))));
