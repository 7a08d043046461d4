// What is not shown, why, until when, and what it hid.
import { api, may } from "../api.js";
import { confirm } from "../dialog.js";
import { button, el, empty, link } from "../dom.js";
import { suppress } from "../suppress.js";
import { complain, toast } from "../toast.js";
import { count, endpoint } from "../words.js";
import { heading, to, when } from "./parts.js";

const HIDDEN_PAGES = 5;
const HIDDEN_SHOWN = 20;

export async function suppressions(shown) {
  const place = el("div", { class: "cards" });
  shown.refresh = async () => {
    const { items } = await api.suppressions();
    place.replaceChildren(...(items.length ? items.map((rule) => card(rule, shown)) : [empty("Nothing is suppressed.")]));
  };
  shown.begin = shown.refresh;
  const again = { changed: () => shown.refresh?.() };
  return el("div", {}, heading("Suppressions", "newest first", may("analyst") && button("Add a rule", () => suppress(again))), place);
}

function condition(rule) {
  const parts = [rule.category ?? "anything", rule.src && `from ${rule.src}`, rule.dst && `to ${rule.dst}`, rule.port && `port ${rule.port}`];
  return parts.filter(Boolean).join(" ");
}

function card(rule, shown) {
  const state = rule.active ? "in force" : rule.lifted_us ? "lifted" : "over";
  const ends = rule.lifted_us ? ["Lifted ", when(rule.lifted_us)] : rule.expires_us ? ["Ends ", when(rule.expires_us)] : ["No end"];
  const hidden = el("div");
  const show = () => hid(rule).then((node) => hidden.replaceChildren(node), complain);
  const lift = async () => {
    const done = await confirm(`Lift suppression ${rule.id}?`, `Alerts of “${condition(rule)}” will be shown again.`, "Lift", async () => { await api.lift(rule.id); return true; });
    if (!done) return;
    toast(`Suppression ${rule.id} is lifted`);
    shown.refresh?.();
  };
  return el("section", { class: rule.active ? "panel" : "panel past", data: { rule: rule.id } },
    el("div", { class: "heading" }, el("h2", {}, condition(rule)), el("span", { class: rule.active ? "pill ok" : "pill" }, state),
      el("div", { class: "acts" }, rule.hits > 0 && button("Show what it hid", show), rule.active && may("analyst") && button("Lift", lift))),
    el("p", {}, rule.reason),
    el("p", { class: "quiet" }, `Number ${rule.id}, by ${rule.owner}, since `, when(rule.created_us), ". ", ends, ". ",
      rule.hits ? [el("b", {}, `Hid ${count(rule.hits)}`), ", the last one ", when(rule.last_hit_us)] : "Hid nothing so far", "."), hidden);
}

/** The alerts that a rule hid; the API finds hidden ones, and each says which rule it was. */
async function hid(rule) {
  const mine = [];
  let cursor;
  for (let page = 0; page < HIDDEN_PAGES && mine.length < HIDDEN_SHOWN; page++) {
    const answer = await api.alerts({ suppressed: "true", category: rule.category, limit: 500, cursor });
    mine.push(...answer.items.filter((a) => a.suppressed_by === rule.id));
    cursor = answer.next;
    if (!cursor) break;
  }
  if (!mine.length) return empty("They have made room in the store.");
  const line = (a) => el("li", {}, when(a.shown_us), " ", link(to("alerts", a.id), `${a.category} ${endpoint(a.src_ip, a.src_port)} → ${endpoint(a.dst_ip, a.dst_port)}`));
  return el("ul", { class: "history" }, mine.slice(0, HIDDEN_SHOWN).map(line), mine.length > HIDDEN_SHOWN && el("li", {}, "and more"));
}
