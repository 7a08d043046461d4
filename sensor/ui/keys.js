// What the keys do, in one table that `?` shows.
import { labelKey, stopAsking } from "./labels.js";
import { open } from "./dialog.js";
import { el } from "./dom.js";
import { moveFocus } from "./list.js";
import { undoLast } from "./toast.js";
import { may } from "./api.js";

let pending = false;

/** Listens for keys. `acts`: `{go(view), label(), suppress(), filter(), theme(), back(), views: [{key, name, path}]}`. */
export function listen(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const typing = event.target.matches?.("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (take(event.key, acts)) event.preventDefault();
  });
}

function take(key, acts) {
  if (labelKey(key)) return true;
  if (pending) {
    pending = false;
    const view = acts.views.find((v) => v.key === key);
    if (view) acts.go(view.path);
    return Boolean(view);
  }
  switch (key) {
    case "j": return moveFocus(1);
    case "k": return moveFocus(-1);
    // Arrows scroll, unless a row has the focus.
    case "ArrowDown": return inRow() && moveFocus(1);
    case "ArrowUp": return inRow() && moveFocus(-1);
    case "g": pending = true; return true;
    case "l": acts.label(); return true;
    case "s": acts.suppress(); return true;
    case "z": return undoLast();
    case "/": acts.filter(); return true;
    case "t": acts.theme(); return true;
    case "?": help(acts.views); return true;
    case "Escape": stopAsking(); acts.back(); return true;
    default: return false;
  }
}

const inRow = () => Boolean(document.activeElement?.closest("table.list tbody"));

/** Shows the keys. */
export function help(views) {
  const key = (text) => text.split(" ").map((k) => el("kbd", {}, k));
  const line = ([keys, what]) => el("div", {}, el("dt", {}, key(keys)), el("dd", {}, what));
  const lines = [["j k", "next, previous row"], ["Enter", "open"], ["Esc", "back"], ["/", "to the filters"]];
  if (may("analyst")) lines.push(["l a", "label: attack"], ["l b", "label: benign"], ["l u", "label: unsure"], ["s Enter", "suppress as proposed"], ["z", "undo"]);
  lines.push(...views.map((v) => [`g ${v.key}`, v.name]), ["t", "dark, light, as the system"], ["?", "this list"]);
  open("Keys", el("dl", { class: "keys" }, lines.map(line)), { yes: "Close", no: null });
}
