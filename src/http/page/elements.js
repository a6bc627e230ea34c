// Short ways to make the page's elements; text is always put in as text.

export function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

// Sets a text where it differs: what is selected stays selected.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// One child for each item, by its key: those that are there already are changed, so that they keep focus and selection.
export function keep(parent, items, keyOf, makeOne, change) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    const child = there.get(key) ?? makeOne(item);
    there.delete(key);
    child.dataset.key = key;
    change(child, item);
    const next = before ? before.nextSibling : parent.firstChild;
    if (child !== next) parent.insertBefore(child, next);
    before = child;
  }
  for (const left of there.values()) left.remove();
}

// The same for the rows of a table; `cells` makes an item's texts or elements, the first of them the row's heading.
export function rows(body, items, keyOf, cells) {
  const change = (row, item) => {
    for (const [place, cell] of cells(item).entries()) {
      const there = row.children[place] ?? row.appendChild(document.createElement(place ? "td" : "th"));
      if (!place) there.scope = "row";
      there.className = cell.className ?? "";
      put(there, cell.text ?? cell);
    }
  };
  keep(body, items, keyOf, () => document.createElement("tr"), change);
}
