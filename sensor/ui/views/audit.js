// Who changed what, and who was refused. For admins.
import { api } from "../api.js";
import { el } from "../dom.js";
import { list } from "../list.js";
import { heading, when } from "./parts.js";

export async function audit(shown) {
  const columns = [
    { name: "When", class: "time", cell: (l) => when(l.at_us) },
    { name: "Who", cell: (l) => `${l.actor} (${l.role})` },
    { name: "What", cell: (l) => [l.allowed ? "" : el("span", { class: "label attack" }, "refused"), " ", l.action] },
    { name: "On", class: "why", cell: (l) => l.subject },
    { name: "Detail", class: "grow wrap", cell: (l) => l.detail },
  ];
  const found = list({
    caption: "Audit log, newest first", columns, nothing: "Nothing yet.",
    read: async (before) => {
      const page = await api.audit({ before, limit: 100 });
      return { items: page.items.map((line) => ({ id: line.seq, ...line })), next: page.next, out_of_time: false };
    },
    subject: () => null,
  });
  shown.begin = found.start;
  shown.refresh = found.refresh;
  return el("div", {}, heading("Audit", "changes and refusals, newest first; times are UTC"), found.node);
}
