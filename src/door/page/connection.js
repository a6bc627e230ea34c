// The socket to the door, which comes back by itself. Whatever is still unanswered is sent again by then, with the same
// id: the door knows by it what it was asked already.
import { Refused, TooMany, tellDeveloper } from './door.js';

const FIRST_PAUSE = 500; // milliseconds until the first try to come back; then twice as long each time, and …
const LONGEST_PAUSE = 30_000; // … at most so long, each less a random part, so that not all pages come at once
const PAUSE_OF_TOO_MANY = 5_000;
const STEADY = 5_000; // a connection that lasted so long counts as one that works
const LARGE = 16_384; // characters: what may be too large for the door, or a proxy in front of it
const MOST_DROPS = 3; // so often it is sent, where the connection ends on it without a word
const SILENCE = 60_000; // a door that tells nothing for so long while something is unanswered may be gone unnoticed

const length = (message) => message.body?.length ?? 0;
const why = (error) => (error instanceof Refused ? 'refused' : error instanceof TooMany ? 'tooMany' : 'lost');

export class Connection {
  #door;
  #conversation;
  #unanswered;
  #onMessage;
  #onState;
  #socket = null;
  #attempt = 0; // what an earlier attempt brings is of no interest any more
  #failures = 0;
  #drops = 0;
  #state = '';
  #timers = {};

  // `conversation()` resolves to the conversation's id, and makes one where there is none; `unanswered()` are the
  // messages to send again; `onState` hears "connecting", "open", "lost", "tooMany" and "refused", which is the end.
  constructor({ door, conversation, unanswered, onMessage, onState }) {
    this.#door = door;
    this.#conversation = conversation;
    this.#unanswered = unanswered;
    this.#onMessage = onMessage;
    this.#onState = onState;
    // The browser knows sooner than any timer when it is worth a try. An open socket may be one of the network before.
    // One that is open may notice for minutes nothing of a network that is gone. To a door on this machine it comes back.
    addEventListener('offline', () => this.#state === 'open' && this.#lose());
    addEventListener('online', () => this.#state !== 'refused' && this.restart());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.#timers.pause) this.restart();
    });
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  // Sends at once, or not at all: what is to be answered goes out when the connection is back.
  send(message) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(message));
    this.#watch();
    return true;
  }

  // Connects at once, in place of the connection that there is.
  restart() {
    this.#clear();
    this.#socket?.close();
    this.#socket = null;
    this.#connect();
  }

  #lose() {
    const socket = this.#socket;
    this.#attempt += 1;
    this.#failed('lost');
    socket?.close();
  }

  #clear() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }

  async #connect() {
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt;
    if (this.#state === '' || this.#state === 'refused') this.#tell('connecting');
    let conversation;
    try {
      conversation = await this.#conversation();
    } catch (error) {
      if (isCurrent()) this.#failed(why(error));
      return;
    }
    if (!isCurrent()) return;
    let wasOpen = false;
    const socket = new WebSocket(this.#door.socketAddress(conversation));
    this.#socket = socket;
    socket.onopen = () => {
      if (!isCurrent()) return;
      wasOpen = true;
      this.#timers.steady = setTimeout(() => (this.#failures = 0), STEADY);
      this.#tell('open');
      for (const message of this.#unanswered()) this.send(message);
    };
    socket.onmessage = ({ data }) => {
      if (!isCurrent()) return;
      this.#drops = 0;
      this.#onMessage(JSON.parse(data));
      this.#watch();
    };
    socket.onclose = async ({ code, reason }) => {
      if (!isCurrent()) return;
      if (code === 1008) tellDeveloper('refused', reason);
      let state = code === 1008 ? 'refused' : code === 4029 ? 'tooMany' : 'lost';
      if (code === 1009 || (wasOpen && state === 'lost')) this.#dropped(code);
      if (!wasOpen) await this.#door.whyRefused(conversation).catch((error) => (state = why(error)));
      if (isCurrent()) this.#failed(state);
    };
  }

  #failed(state) {
    this.#clear();
    this.#socket = null;
    this.#tell(state);
    if (state === 'refused') return;
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures, LONGEST_PAUSE) * (1 - Math.random() / 2);
    this.#failures += 1;
    this.#timers.pause = setTimeout(() => this.restart(), Math.max(pause, state === 'tooMany' ? PAUSE_OF_TOO_MANY : 0));
  }

  #tell(state) {
    this.#state = state;
    this.#onState(state);
  }

  // A connection ends on what is too large for it, and not always with the code that says so. Sent again and again, it
  // would end for ever.
  #dropped(code) {
    const [largest] = this.#unanswered().sort((a, b) => length(b) - length(a));
    if (!largest || length(largest) < LARGE) return;
    this.#drops += 1;
    if (code !== 1009 && this.#drops < MOST_DROPS) return;
    this.#drops = 0;
    const error = { code: 'payload_too_large', message: '', retryable: false };
    this.#onMessage({ type: 'chat.error', in_reply_to: largest.id, error });
  }

  #watch() {
    clearTimeout(this.#timers.silence);
    if (this.#unanswered().length) this.#timers.silence = setTimeout(() => this.restart(), SILENCE);
  }
}
