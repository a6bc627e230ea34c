// A small line of what was measured lately. It is decoration: the number beside it says the same.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, SPAN] = [240, 40, 180_000];

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Draws points {at, value} into an element; a null is a gap.
export function draw(place, points, now) {
  const top = Math.max(...points.map(({ value }) => value ?? 0), 0) || 1;
  const x = (at) => ((at - now + SPAN) / SPAN) * WIDTH;
  const y = (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 6);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" });
  svg.append(shape("line", { x1: 0, y1: HEIGHT - 2, x2: WIDTH, y2: HEIGHT - 2, class: "ground" }));
  for (const run of runs(points)) {
    const line = run.map(({ at, value }) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
    const [first, last] = [x(run[0].at).toFixed(1), x(run.at(-1).at).toFixed(1)];
    svg.append(shape("path", { d: `M${line}L${last} ${HEIGHT - 2}L${first} ${HEIGHT - 2}Z`, class: "area" }));
    svg.append(shape("path", { d: `M${line}`, class: "line" }));
  }
  place.replaceChildren(svg);
}

// What lies between the gaps.
function runs(points) {
  const all = [[]];
  for (const point of points) {
    if (point.value === null) all.push([]);
    else all.at(-1).push(point);
  }
  return all.filter((run) => run.length);
}
