// Short ways to make the page's elements; text is always put in as text.

export function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  const { aria = {}, ...rest } = properties;
  Object.assign(made, rest);
  for (const [key, value] of Object.entries(aria)) made.setAttribute(`aria-${key}`, value);
  made.append(...children);
  return made;
}

// A picture of those that index.html holds.
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}
