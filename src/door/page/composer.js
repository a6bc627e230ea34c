// Where the user writes: Enter sends, Shift+Enter begins a line, and the field grows with its text.

export class Composer {
  #text;
  #send;
  #stop;
  #isBusy = false;

  // `accepts`: whether a text may be sent; one that mayn't stays in the field.
  constructor({ form, text, send, stop, accepts, onSend, onStop }) {
    this.#text = text;
    this.#send = send;
    this.#stop = stop;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const written = text.value.trim();
      if (!written || this.#isBusy || !accepts(written)) return;
      text.value = '';
      this.#fit();
      onSend(written);
    });
    text.addEventListener('keydown', (event) => {
      // While an input method composes, Enter chooses a word. Safari tells of the last such Enter only by 229.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      form.requestSubmit();
    });
    text.addEventListener('input', () => this.#fit());
    stop.addEventListener('click', onStop);
    this.#fit();
  }

  // While the bot answers, the next question has to wait; it may be written already.
  show(isBusy) {
    const hadFocus = document.activeElement === this.#stop;
    this.#isBusy = isBusy;
    this.#send.hidden = isBusy;
    this.#stop.hidden = !isBusy;
    if (hadFocus && !isBusy) this.focus();
  }

  // Nothing can be asked where the door lets nobody in.
  allow(isAllowed) {
    this.#text.disabled = !isAllowed;
  }

  // On a touch screen the keyboard would come up, and cover what was said.
  focus() {
    if (matchMedia('(pointer: fine)').matches) this.#text.focus({ preventScroll: true });
  }

  #fit() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    this.#send.disabled = !this.#text.value.trim();
  }
}
