// Flows worth a label: the least certain, and a random hundredth that tells without bias what is missed.
import { api } from "../api.js";
import { el } from "../dom.js";
import { list } from "../list.js";
import { flowColumns, flowSubject } from "./flows.js";
import { filters, heading } from "./parts.js";

const DAY_S = 86_400;
/** Before any capture; the API takes the last day unless it is said. */
const BEGINNING = "1990-01-01T00:00:00Z";
const SINCE = { "last hour": 3600, "last day": DAY_S, "last week": 7 * DAY_S };

export async function queue(shown, values) {
  const from = values.since in SINCE ? Math.floor(Date.now() / 1000) - SINCE[values.since] : BEGINNING;
  const why = { name: "Why", cell: (f) => el("span", { class: "label" }, f.why === "random" ? "random 1 %" : "uncertain") };
  const found = list({
    caption: "Flows worth a label", columns: [why, ...flowColumns], nothing: "Nothing waits for a label in this time.",
    read: async () => ({ items: (await api.queue({ from, limit: 50 })).items, next: null, out_of_time: false }),
    subject: (f) => flowSubject(f, (label) => done(f, label)),
  });
  // A labelled flow leaves the queue at the next reading; until then it stays in sight, and the focus goes on.
  function done(flow, label) {
    const rows = [...document.querySelectorAll("#main table.list tbody tr")];
    const at = rows.findIndex((tr) => tr.dataset.id === flow.id);
    if (at < 0) return;
    rows[at].classList.toggle("done", Boolean(label));
    if (label && rows[at].contains(document.activeElement)) rows[at + 1]?.querySelector("a")?.focus();
  }
  shown.begin = found.start;
  return el("div", {}, heading("Label queue", "the least certain first, then a random hundredth of all"),
    el("p", { class: "quiet" }, "Labels on the random ones estimate what is missed; on the uncertain ones they teach most. Move with j and k, label with l and a, b or u."),
    filters("queue", values, [{ name: "since", label: "Flows of the", choices: Object.keys(SINCE) }]), found.node);
}
