// Not showing what is known: a rule with a reason and an end, two keystrokes away from what it hides.
import { api, may } from "./api.js";
import { open } from "./dialog.js";
import { el } from "./dom.js";
import { toast } from "./toast.js";
import { CATEGORIES } from "./words.js";

const HOUR_S = 3600;
const ENDS = [["An hour", HOUR_S], ["A day", 24 * HOUR_S], ["7 days", 7 * 24 * HOUR_S], ["30 days", 30 * 24 * HOUR_S], ["For ever", 0]];
const USUAL_S = 7 * 24 * HOUR_S;

const field = (name, label, value, props = {}) =>
  el("label", { class: "field" }, el("span", {}, label), el("input", { name, value: value ?? "", autocomplete: "off", spellcheck: "false", ...props }));

/** Opens the form for a rule that hides `subject` (`{src_ip, dst_ip, dst_port, category, changed}`). */
export async function suppress(subject = {}) {
  if (!may("analyst")) return;
  const { category } = subject;
  const one = subject.src_ip || subject.dst_ip;
  const why = one ? `Known: ${category} ${subject.src_ip ? "from" : "to"} ${one}` : "";
  const content = el("div", { class: "form" },
    field("reason", "Reason", why, { required: true, maxlength: 500, "data-first": true }),
    el("div", { class: "two" },
      field("src", "Attacker (address or range)", subject.src_ip, { placeholder: "any" }),
      field("dst", "Victim (address or range)", subject.src_ip ? "" : subject.dst_ip, { placeholder: subject.dst_ip ? `any; here ${subject.dst_ip}` : "any" }),
      field("port", "Victim's port", "", { inputmode: "numeric", pattern: "[0-9]*", placeholder: subject.dst_port ? `any; here ${subject.dst_port}` : "any" }),
      el("label", { class: "field" }, el("span", {}, "Category"), el("select", { name: "category" },
        el("option", { value: "" }, "any"), CATEGORIES.map((name) => el("option", { value: name, selected: name === category }, name))))),
    el("label", { class: "field" }, el("span", {}, "Ends after"), el("select", { name: "ends" },
      ENDS.map(([name, s]) => el("option", { value: s, selected: s === USUAL_S }, name)))),
    el("p", { class: "quiet" }, "What it hides is still stored and counted."));
  const made = await open("Suppress alerts like this", content, { yes: "Suppress", submit: add });
  if (!made) return;
  toast(`Suppression ${made.id} is in force`, { act: { name: "Undo (z)", run: () => lift(made.id, subject) } });
  subject.changed?.();
}

function add({ src, dst, port, category, reason, ends }) {
  const rule = { reason };
  if (src) rule.src = src;
  if (dst) rule.dst = dst;
  if (port) rule.port = Number(port);
  if (category) rule.category = category;
  if (Number(ends)) rule.expires = String(Math.floor(Date.now() / 1000) + Number(ends));
  return api.suppress(rule);
}

async function lift(id, subject) {
  await api.lift(id);
  toast(`Suppression ${id} is lifted`);
  subject.changed?.();
}
