// The models at work: what they are, how they agree, and putting others in their place.
import { api, may } from "../api.js";
import { confirm, open } from "../dialog.js";
import { button, el, empty, facts, panel } from "../dom.js";
import { complain, toast } from "../toast.js";
import { count, featureValue, span } from "../words.js";
import { compare, DRIFT_SIZE } from "./drift.js";
import { heading, when } from "./parts.js";

export async function model(shown) {
  const place = el("div");
  const drift = el("div");
  shown.refresh = async () => {
    const [models, status] = await Promise.all([api.model(), api.status()]);
    place.replaceChildren(...draw(models, status, shown));
  };
  shown.hear = (event) => { if (event.type === "model_updated") shown.soon(); };
  await shown.refresh();
  const look = async (event) => {
    event.target.disabled = true;
    drift.replaceChildren(empty("Reading flows…"));
    try {
      drift.replaceChildren(showDrift(await compare()));
    } catch (error) {
      drift.replaceChildren();
      complain(error);
    }
    event.target.disabled = false;
  };
  return el("div", {}, heading("Model", "whose predictions count, and what stands beside it"), place,
    panel("Drift", el("p", { class: "quiet" }, `Population stability index of each feature: the newest ${DRIFT_SIZE} flows against the quantiles of the training data. Computed here, from what the sensor kept.`),
      button(`Compare the newest ${DRIFT_SIZE} flows`, look), drift));
}

function draw(models, status, shown) {
  const agreement = status.model.agreement;
  const cards = [card("Active", models.active, may("admin") && models.previous_version !== null && button(`Roll back to ${models.previous_version}`, () => rollBack(models, shown), { class: "danger" }))];
  if (models.shadow) {
    cards.push(card("Shadow", models.shadow, may("admin") && button("End the shadow", () => endShadow(models, shown)),
      [["Agreement", agreement === null || agreement === undefined ? "nothing compared yet" : `${(agreement * 100).toFixed(2)} % of verdicts are equal`]]));
  }
  const parts = [el("div", { class: "side" }, cards),
    el("p", { class: "quiet" }, models.previous_version === null ? "No earlier model is in memory, so there is none to go back to. " : `Model ${models.previous_version} is kept for a rollback. `, `${count(models.changes)} changes since the start.`)];
  if (may("admin")) parts.push(another(models, shown));
  return parts;
}

function card(title, m, act, more = []) {
  const metrics = Object.entries(m.metrics);
  return el("section", { class: "panel", data: { version: m.version } },
    el("div", { class: "heading" }, el("h2", {}, `${title}: version ${m.version}`), el("div", { class: "acts" }, act)),
    facts([["Name", m.name], ...more, ["Made", when(m.created_s * 1e6)], ["Install before", m.expires_s ? when(m.expires_s * 1e6) : null], ["Made from", m.parent],
      ["Trusted by", m.trusted_by], ["Attack from score", `${m.thresholds[0]} (running flows: ${m.thresholds[1]})`], ["Categories", m.classes.join(", ")],
      ["Schema", el("code", {}, m.schema)], ["Digest", el("code", {}, m.digest)]]),
    metrics.length > 0 && el("details", {}, el("summary", {}, "Figures of merit"),
      facts(metrics.map(([name, value]) => [name, Number.isInteger(value) ? count(value) : value.toFixed(4)]))));
}

async function rollBack(models, shown) {
  const text = `Version ${models.previous_version} judges from now on, and after a restart, in place of ${models.active.version}.`;
  if (await confirm(`Roll back to ${models.previous_version}?`, text, "Roll back", async () => { await api.rollBack(); return true; })) {
    toast(`Version ${models.previous_version} is at work again`);
    shown.refresh?.();
  }
}

async function endShadow(models, shown) {
  if (await confirm("End the shadow?", `Version ${models.shadow.version} no longer scores beside the active one.`, "End it", async () => { await api.endShadow(); return true; })) shown.refresh?.();
}

/** A file is verified first; what it is stands in the question before it is installed. */
function another(models, shown) {
  const file = el("input", { type: "file", id: "model-file", accept: ".taphound" });
  const checked = el("div", { "aria-live": "polite" });
  file.addEventListener("change", async () => {
    checked.replaceChildren();
    if (!file.files.length) return;
    const bytes = await file.files[0].arrayBuffer();
    try {
      const found = await api.verify(bytes);
      checked.replaceChildren(card("This file", found, [
        button("Install", () => install(found, bytes), { class: "danger" }), button("Run as shadow", () => asShadow(found, bytes))]));
    } catch (error) {
      checked.replaceChildren(el("p", { class: "wrong", role: "alert" }, error.message));
    }
  });
  const install = async (found, bytes) => {
    const text = `It judges from now on in place of ${models.active.version}, which stays ready for a rollback.`;
    if (!await open(`Install version ${found.version}?`, el("p", {}, text), { yes: "Install", danger: true, submit: () => api.install(bytes) })) return;
    checked.replaceChildren();
    file.value = "";
    shown.refresh?.();
  };
  const asShadow = async (found, bytes) => {
    try {
      await api.shadow(bytes);
      toast(`Version ${found.version} scores as shadow`);
      checked.replaceChildren();
      file.value = "";
      shown.refresh?.();
    } catch (error) {
      complain(error);
    }
  };
  return panel("Another model", el("label", { class: "field", for: "model-file" }, el("span", {}, "A signed .taphound file; it is verified before anything else")), file, checked);
}

function showDrift({ flows, from_us, to_us, features }) {
  if (!flows) return empty("No flows to compare.");
  const word = (psi) => (psi < 0.1 ? "as trained" : psi < 0.25 ? "moved" : "far away");
  const row = (f) => el("tr", { class: f.psi >= 0.25 ? "odd" : null }, el("th", { scope: "row" }, f.name), el("td", { class: "number" }, f.psi.toFixed(2)), el("td", {}, word(f.psi)),
    el("td", { class: "number" }, featureValue(f.name, f.median)), el("td", { class: "number" }, featureValue(f.name, f.expected)));
  return el("div", {},
    el("p", { class: "quiet" }, `${flows} flows in ${span(to_us - from_us)}, from `, when(from_us), ` on. Under 0.1 is usual, from 0.25 on look; chance alone gives about ${(features[0].bins / flows).toFixed(2)} here.`),
    el("table", { class: "bars" }, el("thead", {}, el("tr", {}, ["Feature", "PSI", "", "Median here", "Median in training"].map((t, i) => el("th", { scope: "col", class: i && i !== 2 ? "number" : null }, t || el("span", { class: "unseen" }, "In words"))))),
      el("tbody", {}, features.map(row))));
}
