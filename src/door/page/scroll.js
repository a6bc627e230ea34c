// Where the reader is. New text moves the list only for who is at its end; who reads further up stays there, and gets a
// button that leads down.

const NEAR = 60; // pixels from the end that still count as being there

export class Scroll {
  #view;
  #down;
  #isAtEnd = true;

  constructor(view, down) {
    this.#view = view;
    this.#down = down;
    view.addEventListener('scroll', () => this.#look(), { passive: true });
    down.onclick = () => this.toEnd();
    // A keyboard that opens, a turned phone, a picture that has come.
    const observer = new ResizeObserver(() => (this.#isAtEnd ? this.toEnd() : this.#look()));
    observer.observe(view);
    observer.observe(view.firstElementChild);
  }

  #look() {
    this.#isAtEnd = this.#view.scrollHeight - this.#view.scrollTop - this.#view.clientHeight < NEAR;
    this.#down.hidden = this.#isAtEnd;
  }

  toEnd() {
    this.#view.scrollTop = this.#view.scrollHeight;
    this.#look();
  }
}
