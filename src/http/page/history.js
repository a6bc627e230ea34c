// What was measured in the last minutes, and what follows from the differences.

import { having } from "./metrics.js";

const KEPT = 180_000; // milliseconds

export class History {
  #looks = []; // {at, series}, the oldest first; `series` is null where the worker couldn't be reached

  add(at, series) {
    this.#looks.push({ at, series });
    while (this.#looks[0].at < at - KEPT) this.#looks.shift();
  }

  get latest() {
    return this.#looks.findLast((look) => look.series)?.series ?? null;
  }

  // By how much counters grew a second within so many milliseconds before the last look; null where that isn't known yet.
  rate(name, labels, within = 10_000) {
    const steps = this.#steps(within);
    const time = steps.reduce((all, [before, after]) => all + after.at - before.at, 0);
    const grown = steps.reduce((all, step) => all + grownBy(step, name, labels), 0);
    return time ? (grown * 1000) / time : null;
  }

  // The same from look to look, for a line: {at, value}, null where the worker couldn't be reached.
  rates(name, labels) {
    return this.#looks.slice(1).map((after, place) => {
      const before = this.#looks[place];
      const isKnown = before.series && after.series;
      const value = isKnown ? (grownBy([before, after], name, labels) * 1000) / (after.at - before.at) : null;
      return { at: after.at, value };
    });
  }

  // A gauge from look to look.
  values(name) {
    return this.#looks.map(({ at, series }) => {
      const found = series && [...having(series, name)];
      return { at, value: found?.length ? found.reduce((all, [, one]) => all + one.value, 0) : null };
    });
  }

  // A quantile of what a histogram counted within so many milliseconds; null where it counted nothing.
  quantile(name, part, within = 60_000, labels) {
    return quantileOf(this.#steps(within), name, part, labels);
  }

  quantiles(name, part) {
    return this.#looks.slice(1).map((after, place) => {
      const before = this.#looks[place];
      return { at: after.at, value: before.series && after.series ? quantileOf([[before, after]], name, part) : null };
    });
  }

  // Each look within so many milliseconds, with the one before it. Those that failed between them are passed over.
  #steps(within) {
    const looks = this.#looks.filter((look) => look.series);
    const end = looks.at(-1)?.at ?? 0;
    const steps = looks.slice(1).map((after, place) => [looks[place], after]);
    return steps.filter(([before], place) => place === steps.length - 1 || end - before.at <= within);
  }
}

// A counter that is less than it was began anew, so that it has grown by what it is.
const growth = (before, after) => (after >= before ? after - before : after);

function grownBy([before, after], name, labels) {
  let grown = 0;
  for (const [key, one] of having(after.series, name, labels)) grown += growth(before.series.get(key)?.value ?? 0, one.value);
  return grown;
}

function quantileOf(steps, name, part, labels) {
  const buckets = new Map();
  for (const [before, after] of steps) {
    for (const [key, one] of having(after.series, `${name}_bucket`, labels)) {
      const bound = one.labels.le === "+Inf" ? Infinity : Number(one.labels.le);
      const grown = growth(before.series.get(key)?.value ?? 0, one.value);
      buckets.set(bound, (buckets.get(bound) ?? 0) + grown);
    }
  }
  const bounds = [...buckets].sort(([a], [b]) => a - b);
  const all = bounds.at(-1)?.[1] ?? 0;
  if (!all) return null;
  const wanted = part * all;
  const place = bounds.findIndex(([, count]) => count >= wanted);
  const [lower, below] = bounds[place - 1] ?? [0, 0];
  const [upper, count] = bounds[place];
  // Beyond the last bound nothing more is known than that it is beyond.
  return upper === Infinity ? lower : lower + ((upper - lower) * (wanted - below)) / (count - below || 1);
}
