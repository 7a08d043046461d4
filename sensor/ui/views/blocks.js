// What is stopped, for how long and why; and letting it through again.
import { api, may } from "../api.js";
import { confirm, open } from "../dialog.js";
import { button, el, empty, link } from "../dom.js";
import { toast } from "../toast.js";
import { count } from "../words.js";
import { heading, to, when } from "./parts.js";

const ENDED_SHOWN = 50;
const LASTS = [["10 minutes", 600], ["An hour", 3600], ["A day", 86400], ["7 days", 604800]];

export async function blocks(shown) {
  const place = el("div", { class: "cards" });
  shown.refresh = async () => {
    const answer = await api.blocks();
    const active = answer.items.filter((block) => block.active);
    const ended = answer.items.filter((block) => !block.active).slice(0, ENDED_SHOWN);
    place.replaceChildren(how(answer), ...(active.length ? active.map((block) => card(block, shown)) : [empty("Nothing is stopped.")]),
      ...ended.map((block) => card(block, shown)), never(answer.protected));
  };
  shown.begin = shown.refresh;
  return el("div", {}, heading("Blocks", "newest first", may("analyst") && button("Block a source", () => add(shown))), place);
}

function how({ mode, dry_run: dry }) {
  const words = mode === "passive" ? "This sensor stops nothing (mode passive)." : `Mode ${mode}${dry ? ", dry run: decisions are reported, nothing is stopped" : ""}.`;
  return el("p", { class: "quiet" }, words);
}

function whom(block) {
  const parts = [block.src_port ? `${block.src} port ${block.src_port}` : block.src, block.dst && `to ${block.dst}`, block.port && `port ${block.port}`];
  return parts.filter(Boolean).join(" ");
}

function card(block, shown) {
  const state = !block.active ? (block.lifted_us ? "lifted" : "over") : block.unenforceable ? "matches nothing" : "in force";
  const lift = async () => {
    const done = await confirm(`Lift block ${block.id}?`, `Packets of ${whom(block)} will pass again.`, "Lift", async () => { await api.unblock(block.id); return true; });
    if (!done) return;
    toast(`Block ${block.id} is lifted`);
    shown.refresh?.();
  };
  const incident = block.category && block.covers !== "flow" && block.subject;
  return el("section", { class: block.active ? "panel" : "panel past", data: { block: block.id } },
    el("div", { class: "heading" }, el("h2", {}, whom(block)), el("span", { class: block.active ? "pill ok" : "pill" }, state),
      el("div", { class: "acts" }, block.active && may("analyst") && button("Lift", lift))),
    el("p", {}, block.reason, incident && [" ", link(to("incidents", incident), "Its incident")]),
    el("p", { class: "quiet" }, `Number ${block.id}, by ${block.owner}, since `, when(block.created_us), ". ",
      block.lifted_us ? ["Lifted ", when(block.lifted_us)] : [block.active ? "Ends " : "Ended ", when(block.expires_us)], ". ",
      block.active && `Dropped ${count(block.dropped_packets ?? 0)} packets.`));
}

function never(ranges) {
  return el("details", { hidden: !ranges.length }, el("summary", {}, `Never blocked: ${ranges.length} addresses and ranges`),
    el("ul", { class: "history" }, ranges.map(({ range, what }) => el("li", {}, `${range}: ${what}`))));
}

async function add(shown) {
  const field = (name, label, props) => el("label", { class: "field" }, el("span", {}, label), el("input", { name, autocomplete: "off", spellcheck: "false", ...props }));
  const content = el("div", { class: "form" },
    field("src", "Source (address or range)", { required: true, "data-first": true }),
    field("reason", "Reason", { required: true, maxlength: 500 }),
    field("port", "Only towards this TCP port", { inputmode: "numeric", pattern: "[0-9]*", placeholder: "any" }),
    el("label", { class: "field" }, el("span", {}, "Lasts"), el("select", { name: "seconds" },
      LASTS.map(([name, s]) => el("option", { value: s, selected: s === 3600 }, name)))));
  const submit = ({ src, reason, port, seconds }) => api.block({ src, reason, seconds: Number(seconds), ...(port && { port: Number(port) }) });
  const made = await open("Block a source", content, { yes: "Block", danger: true, submit });
  if (!made) return;
  toast(`Block ${made.id} is in force`);
  shown.refresh?.();
}
