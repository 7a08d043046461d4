// Saying right or wrong: two keystrokes, one message, one step back.
import { api, may } from "./api.js";
import { button, el } from "./dom.js";
import { complain, toast } from "./toast.js";

const NAMES = { a: "attack", b: "benign", u: "unsure" };
let waiting = null;

/** Asks for the label of `subject` (`{id, name, category, ids?, changed}`) by one more key or a click. */
export function askLabel(subject) {
  if (!may("analyst") || !subject) return;
  stopAsking();
  const choose = (key) => { stopAsking(); give(subject, NAMES[key]); };
  const choice = (key, text) => button(text, () => choose(key), { class: key, data: { key } });
  const bar = el("div", { id: "ask-label", role: "group", "aria-label": `Label ${subject.name}` },
    el("span", { class: "grow" }, "Label ", el("b", {}, subject.name)),
    choice("a", "a · attack"), choice("b", "b · benign"), choice("u", "u · unsure"),
    subject.label && button("w · withdraw", () => { stopAsking(); withdraw(subject); }, { data: { key: "w" } }),
    button("Esc", stopAsking, { class: "plain", data: { key: "Escape" } }));
  document.body.append(bar);
  waiting = { bar, subject };
}

/** Takes the key when a label is asked for. */
export function labelKey(key) {
  if (!waiting) return false;
  const meant = waiting.bar.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (meant) meant.click();
  else stopAsking();
  return Boolean(meant);
}

export function stopAsking() {
  waiting?.bar.remove();
  waiting = null;
}

async function give(subject, label) {
  try {
    const ids = subject.ids ? await subject.ids() : [subject.id];
    if (!ids.length) throw new Error("There is nothing to label here yet.");
    const category = label === "attack" && subject.category && subject.category !== "benign" ? subject.category : null;
    await api.label(ids.map((id) => ({ subject: id, label, category })));
    const many = ids.length > 1 ? ` (${ids.length} alerts)` : "";
    toast(`${subject.name}: ${label}${many}`, { act: { name: "Undo (z)", run: () => undo(subject, ids) } });
    subject.changed?.(label);
  } catch (error) {
    complain(error);
  }
}

async function undo(subject, ids) {
  try {
    for (const id of ids) await api.withdraw(id);
    toast(`${subject.name}: label taken back`);
    subject.changed?.(null);
  } catch (error) {
    complain(error);
  }
}

async function withdraw(subject) {
  try {
    await undo(subject, subject.ids ? await subject.ids() : [subject.id]);
  } catch (error) {
    complain(error);
  }
}
