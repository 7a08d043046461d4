// Population stability: how the newest flows spread over bins that the training data's quantiles make.
import { api } from "../api.js";

/** Flows that are compared. */
export const DRIFT_SIZE = 100;
const AT_ONCE = 8;
const BINS = 10;

/**
 * PSI = sum over bins of (here - there) * ln(here / there), shares with half a count added so that an empty bin is no infinity.
 * A bin ends at a quantile and holds its end: where many values are equal (often 0), quantiles coincide and their bins are one.
 */
export function psi(values, quantiles, probabilities) {
  const ends = new Map();
  quantiles.forEach((q, i) => ends.set(q, Math.max(ends.get(q) ?? 0, probabilities[i])));
  const bins = [];
  let below = 0;
  for (const [end, p] of [...ends].sort((a, b) => a[0] - b[0])) {
    if (p - below < 1 / BINS - 1e-9 && p < 1) continue;
    bins.push({ end, expected: p - below, here: 0 });
    below = p;
  }
  if (!bins.length || below < 1 - 1e-9) bins.push({ end: Infinity, expected: 1 - below, here: 0 });
  bins.at(-1).end = Infinity;
  for (const value of values) bins.find((bin) => value <= bin.end).here += 1;
  let sum = 0;
  for (const bin of bins) {
    const here = (bin.here + 0.5) / (values.length + bins.length / 2);
    const there = Math.max(bin.expected, 1e-6);
    sum += (here - there) * Math.log(here / there);
  }
  return { psi: sum, bins: bins.length };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Reads the newest flows of the capture and compares each feature, the farthest first. */
export async function compare() {
  const { items } = await api.flows({ source: "capture", limit: DRIFT_SIZE });
  if (!items.length) return { flows: 0 };
  const details = [];
  for (let i = 0; i < items.length; i += AT_ONCE) {
    details.push(...await Promise.all(items.slice(i, i + AT_ONCE).map((f) => api.flow(f.id))));
  }
  const features = details[0].features.map(({ name, quantiles }, index) => {
    const values = details.map((d) => d.features[index].value);
    const middle = details[0].probabilities.findIndex((p) => p >= 0.5);
    return { name, ...psi(values, quantiles, details[0].probabilities), median: median(values), expected: quantiles[middle] };
  });
  features.sort((a, b) => b.psi - a.psi);
  return { flows: details.length, from_us: items.at(-1).start_us, to_us: items[0].end_us, features };
}
