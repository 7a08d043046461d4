// Short messages at the foot of the page, with one thing to do about them.
import { button, el } from "./dom.js";

const STAYS_MS = 8000;
const AT_ONCE = 3;

/** Says `text`. `act` is `{name, run}`: a button, also reached by `z` while the message stands. */
export function toast(text, { act, kind = "info" } = {}) {
  const place = document.getElementById("toasts");
  const gone = () => message.remove();
  const run = act && (() => { gone(); act.run(); });
  const message = el("div", { class: `toast ${kind}` }, el("span", {}, text), act && button(act.name, run, { class: "plain", data: { act: "undo" } }));
  place.append(message);
  while (place.children.length > AT_ONCE) place.firstChild.remove();
  setTimeout(gone, STAYS_MS);
}

/** Says what went wrong. */
export const complain = (error) => toast(error.message, { kind: "bad" });

/** Takes the last undoable thing back. */
export function undoLast() {
  const last = [...document.querySelectorAll("#toasts [data-act=undo]")].at(-1);
  last?.click();
  return Boolean(last);
}
