// A bot's text as DOM nodes: paragraphs, lists, **bold**, `code`, and links to http and https. Never as HTML: whatever
// else a text holds is shown as it stands.

const FENCE = /^\s*```/;
const HEADING = /^#{1,6}\s+(.*)$/;
const BULLET = /^\s*[-*•]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,9})[.)、]\s*(?=\D)(.*)$/;
// A bare address ends at the first character that isn't ASCII, as Chinese follows one without a space; but letters of
// other scripts belong to one whose host has them, and begin a part of its path behind the first.
const LETTER = '\\p{L}\\p{N}\\p{M}';
const PART = '[\\x21-\\x2e\\x30-\\x7e]+';
const BARE = [
  `(?:[\\w\\-]+\\.)*(?=[^\\x00-\\x7f])[${LETTER}\\-]+(?:\\.[${LETTER}\\-]+)+(?::\\d+)?(?:[\\/?#][${LETTER}\\x21-\\x7e]*)?`,
  `${PART}(?:\\/${PART})+\\/(?=[^\\x00-\\x7f])[${LETTER}][${LETTER}\\x21-\\x7e]*`,
  '[\\x21-\\x7e]+',
].join('|');
const INLINE = new RegExp(
  [
    /\*\*(?=\S)(.+?)\*\*/,
    /`([^`]+)`/,
    /\[([^\[\]]+)\]\((https?:\/\/(?:[^\s()]|\([^\s()]*\))+)\)/,
    { source: `(https?:\\/\\/(?:${BARE}))` },
    /\[(\d{1,2})\]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gu',
);

// `cited`: how many sources the text may cite as [1], [2]…
export function textNodes(text, cited = 0) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (!lines[at].trim()) at += 1;
    else if (FENCE.test(lines[at])) at = code(lines, at, blocks);
    else if (listStart(lines[at])) at = list(lines, at, blocks, cited);
    else at = paragraph(lines, at, blocks, cited);
  }
  return blocks;
}

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

const listStart = (line) => BULLET.exec(line) ?? NUMBER.exec(line);

// Each of these puts one block at the end of `blocks`, and returns the line after it.
function code(lines, start, blocks) {
  let end = start + 1;
  while (end < lines.length && !FENCE.test(lines[end])) end += 1;
  const block = element('pre', element('code', lines.slice(start + 1, end).join('\n')));
  block.tabIndex = 0; // it may be wider than the page, and is then scrolled by keys
  blocks.push(block);
  return end + 1;
}

function list(lines, start, blocks, cited) {
  const kind = BULLET.test(lines[start]) ? BULLET : NUMBER;
  const made = element(kind === BULLET ? 'ul' : 'ol');
  if (kind === NUMBER) made.start = Number(kind.exec(lines[start])[1]);
  let at = start;
  for (; at < lines.length; at += 1) {
    const entry = kind.exec(lines[at]);
    if (entry) made.append(element('li', ...inline(entry.at(-1), cited)));
    else if (/^\s+\S/.test(lines[at]) && !listStart(lines[at]))
      made.lastChild.append(element('br'), ...inline(lines[at].trim(), cited));
    // An empty line between two entries of the same list doesn't end it.
    else if (lines[at].trim() || !kind.test(lines[at + 1] ?? '')) break;
  }
  blocks.push(made);
  return at;
}

function paragraph(lines, start, blocks, cited) {
  const heading = HEADING.exec(lines[start]);
  if (heading) {
    blocks.push(element('p', element('strong', ...inline(heading[1], cited))));
    return start + 1;
  }
  const made = element('p');
  let at = start;
  for (
    ;
    at < lines.length && lines[at].trim() && !(at > start && (listStart(lines[at]) || FENCE.test(lines[at])));
    at += 1
  ) {
    if (at > start) made.append(element('br'));
    made.append(...inline(lines[at], cited));
  }
  blocks.push(made);
  return at;
}

function inline(text, cited) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, bold, code, title, address, bare, citation] = found;
    let rest = '';
    let node;
    if (bold) node = element('strong', ...inline(bold, cited));
    else if (code) node = element('code', code);
    else if (title) node = link(address, title);
    else if (bare) {
      const address = withoutEnd(bare);
      rest = bare.slice(address.length);
      node = link(address, address);
    } else if (citation >= 1 && citation <= cited) node = element('sup', all);
    nodes.push(text.slice(end, found.index), node ?? all, rest);
    end = found.index + all.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== '');
}

// A bare address without what ends a sentence, or closes a bracket that it doesn't open.
function withoutEnd(bare) {
  const count = (bracket) => bare.split(bracket).length - 1;
  let unopened = count(')') - count('(');
  let end = bare.length;
  for (; /[.,;:!?'"*>\])]/.test(bare[end - 1] ?? ''); end -= 1) {
    if (bare[end - 1] !== ')') continue;
    if (unopened <= 0) break;
    unopened -= 1;
  }
  return bare.slice(0, end);
}

// A link that opens beside the page; text where the address isn't one of http or https.
export function link(address, title) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return title;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return title;
  const made = element('a', title);
  made.href = url.href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer nofollow';
  return made;
}
