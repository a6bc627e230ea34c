// The list of what was said. A turn is made anew only where it has changed, so that what a reader has opened or marked
// stays as it is.
import { make } from './elements.js';
import { turnElement } from './message.js';
import { textNodes } from './text.js';

export class Messages {
  #list;
  #spoken;
  #shown = new Map(); // by the turn's key: {stamp, element}
  #waitText = make('span', { className: 'unseen' });
  #wait = make(
    'li',
    { className: 'wait' },
    this.#waitText,
    make('span', { className: 'dots', aria: { hidden: 'true' } }, make('i'), make('i'), make('i')),
  );

  constructor(list, spoken) {
    this.#list = list;
    this.#spoken = spoken;
  }

  // `waiting`: "writing", "stopping", or "" where nothing is awaited.
  show(turns, context, waiting) {
    const elements = turns.map((turn) => this.#element(turn, context));
    const keys = new Set(turns.map((turn) => turn.key));
    for (const key of this.#shown.keys()) if (!keys.has(key)) this.#shown.delete(key);
    const isWriting = turns.at(-1)?.kind === 'answer' && !turns.at(-1).reply;
    if (waiting && !isWriting) {
      this.#waitText.textContent = context.words[waiting];
      elements.push(this.#wait);
    }
    elements.forEach((element, place) => {
      if (this.#list.children[place] !== element) this.#list.insertBefore(element, this.#list.children[place] ?? null);
    });
    while (this.#list.children.length > elements.length) this.#list.lastChild.remove();
  }

  #element(turn, context) {
    const stamp = `${turn.version} ${context.language}`;
    const shown = this.#shown.get(turn.key);
    if (shown?.stamp === stamp) return shown.element;
    const element = turnElement(turn, context);
    if (!shown) element.classList.add('new'); // it comes in softly, once
    // The focus stays where it was, as on a button that was pressed.
    const focused = shown && [...shown.element.querySelectorAll('button')].indexOf(document.activeElement);
    shown?.element.replaceWith(element);
    if (focused >= 0) element.querySelectorAll('button')[focused]?.focus({ preventScroll: true });
    this.#shown.set(turn.key, { stamp, element });
    return element;
  }

  // Has a screen reader say what is finished; without the marks of its form.
  speak(text, lang) {
    const said = make(
      'p',
      { lang: lang ?? '' },
      textNodes(text)
        .map((block) => block.textContent)
        .join(' '),
    );
    this.#spoken.append(said);
    setTimeout(() => said.remove(), 10_000); // else it would be found a second time by who reads the page
  }
}
