// Charts as SVG: what spoke for and against, where values lie, how a score went. Each has its numbers as text beside it.
import { el, svg } from "./dom.js";
import { featureValue, score, signed, span } from "./words.js";

/** Signed contributions as bars around a middle line, strongest first. */
export function contributions(features, base, total) {
  const sorted = [...features].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const most = Math.max(...sorted.map((f) => Math.abs(f.contribution)), 1e-9);
  const row = (f) => {
    const width = Math.abs(f.contribution) / most / 2;
    const bar = svg("svg", { class: "bar", "aria-hidden": "true", preserveAspectRatio: "none", viewBox: "0 0 1 1" },
      svg("rect", { x: f.contribution < 0 ? 0.5 - width : 0.5, y: 0.12, width, height: 0.76, class: f.contribution < 0 ? "against" : "for" }),
      svg("line", { x1: 0.5, x2: 0.5, y1: 0, y2: 1, class: "axis" }));
    return el("tr", {}, el("th", { scope: "row" }, f.name), el("td", { class: "number value" }, featureValue(f.name, f.value)),
      el("td", { class: "chart" }, bar), el("td", { class: "number" }, signed(f.contribution)));
  };
  return el("figure", {},
    el("table", { class: "bars" },
      el("caption", { class: "unseen" }, "Contribution of each feature to the score"),
      el("thead", {}, el("tr", {}, ["Feature", "Value", "← benign · attack →", "Adds"].map((t, i) => el("th", { scope: "col", class: i === 2 ? "chart" : i ? "number" : null }, t)))),
      el("tbody", {}, sorted.map(row))),
    el("figcaption", {}, `Base ${base.toFixed(3)} and the contributions add up to the score ${total.toFixed(3)}.`));
}

/** Where each value lies among the quantiles of the training data: least, middle half, greatest, and the value's rank. */
export function ranks(features, probabilities) {
  const at = (f, p) => {
    let best = 0;
    probabilities.forEach((q, i) => { if (Math.abs(q - p) < Math.abs(probabilities[best] - p)) best = i; });
    return f.quantiles[best] ?? 0;
  };
  const row = (f) => {
    const odd = f.rank < 0.01 || f.rank > 0.99;
    const strip = svg("svg", { class: "strip", "aria-hidden": "true", preserveAspectRatio: "none", viewBox: "0 0 100 10" },
      svg("rect", { x: 0, y: 4, width: 100, height: 2, class: "range" }),
      svg("rect", { x: 25, y: 2.5, width: 50, height: 5, class: "half" }),
      svg("rect", { x: Math.min(f.rank * 100, 98.6), y: 0, width: 1.4, height: 10, class: odd ? "mark odd" : "mark" }));
    const cell = (value, cls = "number") => el("td", { class: cls }, value);
    return el("tr", { class: odd ? "odd" : null }, el("th", { scope: "row" }, f.name), cell(featureValue(f.name, f.value), "number value"), el("td", { class: "chart" }, strip),
      cell(`${(f.rank * 100).toFixed(0)} %`), cell(featureValue(f.name, at(f, 0.05)), "number wide"), cell(featureValue(f.name, at(f, 0.5)), "number wide"), cell(featureValue(f.name, at(f, 0.95)), "number wide"));
  };
  const heads = [["Feature"], ["Value", "number"], ["least · greatest", "chart"], ["Rank", "number"], ["5 %", "number wide"], ["Median", "number wide"], ["95 %", "number wide"]];
  return el("table", { class: "bars ranks" },
    el("caption", { class: "unseen" }, "Features against the quantiles of the training data"),
    el("thead", {}, el("tr", {}, heads.map(([name, cls]) => el("th", { scope: "col", class: cls }, name)))),
    el("tbody", {}, features.map(row)));
}

/** A score over a flow's life: points with lines, the threshold as a dashed line. */
export function life(points, threshold) {
  const [from, to] = [points[0].at_us, points.at(-1).at_us];
  const x = (at) => 10 + (to > from ? (at - from) / (to - from) : 0.5) * 580;
  const y = (s) => 8 + (1 - s) * 84;
  const line = points.map((p) => `${x(p.at_us)},${y(p.score)}`).join(" ");
  return svg("svg", { class: "life", viewBox: "0 0 600 100", role: "img", "aria-label": `Score from ${score(points[0].score)} to ${score(points.at(-1).score)} in ${span(to - from)}` },
    [0, 0.5, 1].map((s) => svg("line", { x1: 10, x2: 590, y1: y(s), y2: y(s), class: "grid" })),
    threshold && svg("line", { x1: 10, x2: 590, y1: y(threshold), y2: y(threshold), class: "threshold" }),
    svg("polyline", { points: line, class: "line" }),
    points.map((p) => svg("circle", { cx: x(p.at_us), cy: y(p.score), r: 4, class: p.category === "benign" ? "dot" : "dot attack" })));
}

/** A line of recent values, from zero up. */
export function spark(values, label) {
  const most = Math.max(...values, 1e-9);
  const step = 200 / Math.max(values.length - 1, 1);
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(38 - (v / most) * 34).toFixed(1)}`).join(" ");
  return svg("svg", { class: "spark", viewBox: "0 0 200 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("polygon", { points: `0,40 ${points} 200,40`, class: "area" }), svg("polyline", { points, class: "line" }));
}
