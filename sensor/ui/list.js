// Tables of findings: one row a finding, the row's link carries the focus, pages follow by cursor, news merge in.
import { button, el, empty } from "./dom.js";
import { complain } from "./toast.js";

const subjects = new WeakMap();

/** What the focus is on: the subject of the row around `node`. */
export const subjectAt = (node) => subjects.get(node?.closest?.("tr")) ?? null;

/**
 * A table. `columns` are `{name, cell(item), class?, narrow?}` (narrow: left out on small screens), `read(cursor)` gives a page,
 * `subject(item)` what keys act on. Gives `{node, refresh, items}`; refresh merges the newest page in and keeps the focus.
 */
export function list({ caption, columns, read, subject, nothing }) {
  const rows = new Map();
  let next = null;
  const body = el("tbody");
  const more = button("Show more", () => page(next).catch(complain), { hidden: true });
  const hint = empty("Looking…");
  const head = el("tr", {}, columns.map((c) => el("th", { scope: "col", class: c.class }, c.name)));
  const table = el("table", { class: "list", hidden: true }, el("caption", { class: "unseen" }, caption), el("thead", {}, head), body);
  const node = el("div", { class: "listing" }, table, hint, el("div", { class: "row" }, more));

  function row(item, fresh) {
    const tr = el("tr", { class: fresh ? "fresh" : null }, columns.map((c) =>
      el("td", { class: c.class, data: { name: c.name } }, c.cell(item))));
    subjects.set(tr, subject(item));
    return { tr, item, text: JSON.stringify(item) };
  }

  function merge(items, inFront) {
    const known = rows.size > 0;
    const order = [];
    for (const item of items) {
      const had = rows.get(item.id);
      const text = JSON.stringify(item);
      if (!had || had.text !== text) rows.set(item.id, row(item, known && inFront && !had));
      order.push(item.id);
    }
    const rest = [...rows.keys()].filter((id) => !order.includes(id));
    return inFront ? [...order, ...rest] : [...rest, ...order];
  }

  function lay(ids) {
    const focused = document.activeElement?.closest?.("tr");
    const focusedId = [...rows].find(([, r]) => r.tr === focused)?.[0] ?? focused?.dataset.id;
    const wanted = ids.map((id) => rows.get(id).tr);
    for (const [id, r] of rows) r.tr.dataset.id = id;
    const same = wanted.length === body.children.length && wanted.every((tr, i) => body.children[i] === tr);
    if (!same) body.replaceChildren(...wanted);
    const ordered = ids.map((id) => [id, rows.get(id)]);
    rows.clear();
    for (const [id, r] of ordered) rows.set(id, r);
    if (!same && focusedId && rows.has(focusedId)) rows.get(focusedId).tr.querySelector("a")?.focus({ preventScroll: true });
    table.hidden = ids.length === 0;
    hint.hidden = ids.length > 0;
    hint.textContent = nothing;
  }

  async function page(cursor) {
    const answer = await read(cursor);
    lay(merge(answer.items, false));
    next = answer.next;
    more.hidden = !next;
    more.textContent = answer.out_of_time ? "Time was up: look further" : "Show more";
    if (answer.out_of_time && !answer.items.length) hint.textContent = "Nothing yet, and time was up: look further.";
  }

  async function refresh() {
    const answer = await read(null);
    const first = rows.size === 0;
    lay(merge(answer.items, true));
    if (first) {
      next = answer.next;
      more.hidden = !next;
    }
  }

  return { node, refresh, start: () => page(null), items: () => [...rows.values()].map((r) => r.item) };
}

/** Moves the focus to the next or previous row. */
export function moveFocus(by) {
  const links = [...document.querySelectorAll("#main table.list tbody tr")].map((tr) => tr.querySelector("a")).filter(Boolean);
  if (!links.length) return false;
  const now = links.findIndex((a) => a.closest("tr").contains(document.activeElement));
  const then = now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + by, 0), links.length - 1);
  links[then].focus();
  links[then].closest("tr").scrollIntoView({ block: "nearest" });
  return true;
}
