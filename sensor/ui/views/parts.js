// What several views show alike: severities, labels, columns, filters.
import { button, el, link } from "../dom.js";
import { CATEGORIES, exactTime, time } from "../words.js";

export const when = (us) => el("time", { title: exactTime(us), datetime: us ? new Date(us / 1000).toISOString() : null }, time(us));

export const severity = (name) => el("span", { class: `severity ${["low", "medium", "high", "critical"].includes(name) ? name : "low"}` }, name);

export const category = (name) => el("span", { class: name === "benign" ? "category benign" : "category" }, name);

export const label = (name) => (name ? el("span", { class: `label ${name === "attack" || name === "benign" ? name : "unsure"}` }, name) : "");

/** A score as a number on a bar. */
export function scored(value) {
  if (value === null || value === undefined) return "";
  const meter = el("span", { class: "scored" }, el("i", { "aria-hidden": "true" }), value.toFixed(2));
  meter.firstChild.style.width = `${Math.round(value * 100)}%`;
  return meter;
}

export const to = (view, id) => `#/${view}/${encodeURIComponent(id)}`;

/** A form of filters that lives in the address. `fields`: `{name, label, kind?, choices?, placeholder?}`. */
export function filters(view, values, fields) {
  const submit = (event) => {
    event.preventDefault();
    const given = [...new FormData(event.target)].map(([name, text]) => [name, text.trim()]).filter(([, text]) => text);
    location.hash = `#/${view}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
  };
  const input = (f) => (f.choices
    ? el("select", { name: f.name, on: { change: (event) => event.target.form.requestSubmit() } }, el("option", { value: "" }, "any"),
      f.choices.map((choice) => el("option", { value: choice, selected: values[f.name] === choice }, choice)))
    : el("input", { name: f.name, value: values[f.name] ?? "", placeholder: f.placeholder, autocomplete: "off", spellcheck: "false", ...f.props }));
  const form = el("form", { class: "filters", "aria-label": "Filters", on: { submit } },
    fields.map((f) => el("label", { class: `field ${f.kind ?? ""}` }, el("span", {}, f.label), input(f))),
    el("button", { type: "submit", class: "primary" }, "Find"));
  if (Object.keys(values).length) form.append(button("Clear", () => { location.hash = `#/${view}`; }));
  // On a small screen they would fill it.
  const open = !matchMedia("(max-width: 760px)").matches || Object.keys(values).length > 0;
  return el("details", { class: "filterbox", open }, el("summary", {}, "Filters"), form);
}

export const FILTER = {
  from: { name: "from", label: "From (UTC)", kind: "long", placeholder: "2026-11-21T13:00:00Z" },
  to: { name: "to", label: "To (UTC)", kind: "long", placeholder: "now" },
  category: { name: "category", label: "Category", choices: CATEGORIES },
  anyCategory: { name: "category", label: "Category", choices: ["benign", ...CATEGORIES] },
  severity: { name: "min_severity", label: "Severity from", choices: ["low", "medium", "high", "critical"] },
  address: { name: "address", label: "Address or range", placeholder: "10.0.0.0/8" },
  port: { name: "port", label: "Port", kind: "narrow", props: { inputmode: "numeric", pattern: "[0-9]*" } },
  score: { name: "min_score", label: "Score from", kind: "narrow", placeholder: "0.5", props: { inputmode: "decimal" } },
  most: { name: "max_score", label: "to", kind: "narrow", placeholder: "1", props: { inputmode: "decimal" } },
  label: { name: "label", label: "Label", choices: ["unlabelled", "labelled", "attack", "benign", "unsure"] },
  community: { name: "community_id", label: "Community ID", placeholder: "1:…=" },
};

/** The head of a view: a title, what stands beside it, buttons at the end. */
export const heading = (title, aside, ...acts) => el("div", { class: "heading" }, el("h1", {}, title), aside && el("div", { class: "aside" }, aside), el("div", { class: "acts" }, acts));

/** Back to the list. */
export const up = (view, name) => link(`#/${view}`, `← ${name}`, { class: "up" });

/** Labels given so far. */
export const history = (labels) => el("ol", { class: "history" }, labels.map((l) =>
  el("li", {}, when(l.at_us), " ", label(l.label), l.category ? ` ${l.category}` : "", ` by ${l.actor} (${l.source})`, l.reason ? `: ${l.reason}` : "")));
