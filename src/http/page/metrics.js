// The text of /metrics, read: https://prometheus.io/docs/instrumenting/exposition_formats/

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

// All that was measured, by its name and labels as they are written: {name, labels, value}.
export function read(text) {
  const series = new Map();
  for (const line of text.split("\n")) {
    const [, name, written = "", number] = LINE.exec(line) ?? [];
    if (!name) continue;
    const labels = {};
    for (const [, label, value] of written.matchAll(LABEL)) {
      labels[label] = value.replace(/\\[n"\\]/g, (escape) => ESCAPED[escape]);
    }
    const value = number === "+Inf" ? Infinity : Number(number);
    series.set(`${name}{${written}}`, { name, labels, value });
  }
  return series;
}

// Those of a name whose labels are these.
export function* having(series, name, labels = {}) {
  for (const [key, one] of series) {
    if (one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value)) yield [key, one];
  }
}

// Their sum; null where there is none.
export function sum(series, name, labels) {
  let total = null;
  for (const [, one] of having(series, name, labels)) total = (total ?? 0) + one.value;
  return total;
}

// Their sums by one of their labels, the largest first.
export function by(series, name, label, labels) {
  const sums = new Map();
  for (const [, one] of having(series, name, labels)) {
    sums.set(one.labels[label], (sums.get(one.labels[label]) ?? 0) + one.value);
  }
  return [...sums].sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
}
