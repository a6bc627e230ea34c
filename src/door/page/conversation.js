// The conversation: what was said by whom, what is still to be answered, and who answers. What comes from the door is
// put into it by `take`; it survives a reload of the page in the tab's own storage.
//
// A turn is one of
//   {kind: "asked", id, text, title?, locale?, waiting, cancelled}   by the user; `title` is what a button said
//   {kind: "answer", to, text, cancelled, run?, next?, reply?, feedback?}   of the bot; as yet without `reply`
//   {kind: "said", id, text, locale?}                                by a person
//   {kind: "failed", to, code, retryable}
//   {kind: "line", line}                                             "personCame", "personLeft", "forgotten"
// and has a `key` that stays, and a `version` that counts its changes.
import { kept } from './kept.js';

const KEPT_TURNS = 100;
// What a reply tells that is shown; its texts from documents can be long.
const SHOWN = [
  'id',
  'locale',
  'intent',
  'entities',
  'ranking',
  'model',
  'handler',
  'sources',
  'choices',
  'usage',
  'state',
  'finish',
];
// A person answers when they like, by messages of their own: that no reply came to a request in time means nothing.
const NO_ERROR_WITH_PERSON = ['timeout', 'deadline_exceeded'];

export class Conversation {
  #storage;
  #place;
  #onChange;
  id = null; // as the door gave it
  turns = [];
  withPerson = false;
  language = null; // which the user has chosen by hand

  // `storage`: a Storage, or null where the browser gives none. `place`: the name to keep it by.
  constructor(storage, place, onChange) {
    this.#storage = storage;
    this.#place = place;
    this.#onChange = onChange;
    Object.assign(this, kept(storage?.getItem(place)));
  }

  save() {
    const last = this.turns.slice(-KEPT_TURNS);
    for (const turns of [last, last.slice(-10), []]) {
      try {
        const { id, withPerson, language } = this;
        this.#storage?.setItem(this.#place, JSON.stringify({ id, turns, withPerson, language }));
        return;
      } catch {
        // The storage is full: rather fewer turns than none.
      }
    }
  }

  clear() {
    this.id = null;
    this.turns = [];
    this.withPerson = false;
    this.#changed();
  }

  // Whether the bot is answering, so that the next question has to wait.
  get isBusy() {
    return !this.withPerson && this.#waiting().some((turn) => !turn.cancelled);
  }

  get isStopping() {
    return this.#waiting().some((turn) => turn.cancelled);
  }

  ask(text, title, locale) {
    const turn = { kind: 'asked', id: newId(), text, waiting: true, cancelled: false };
    if (title && title !== text) turn.title = title;
    if (locale) turn.locale = locale;
    this.#add(turn);
    this.#changed();
    return this.#request(turn);
  }

  // The same question once more, after an error: by the same id, so that it isn't said twice.
  askAgain(id) {
    const asked = this.#asked(id);
    this.#drop('failed', id);
    Object.assign(asked, { waiting: true, cancelled: false });
    this.#touch(asked);
    this.#changed();
    return this.#request(asked);
  }

  // The requests to cancel. Where nothing can be sent, they count as stopped: they won't be sent again either.
  cancel(canSend) {
    const turns = this.#waiting().filter((turn) => !turn.cancelled);
    for (const turn of turns) {
      turn.cancelled = true;
      this.#touch(turn);
      if (!canSend) this.#answer(turn, { text: this.#answerTo(turn.id)?.text ?? '', reply: { finish: 'cancelled' } });
    }
    this.#changed();
    return canSend ? turns.map(cancelOf) : [];
  }

  rate(answer, value) {
    const { id, intent } = answer.reply;
    const message = { type: 'chat.feedback', id: newId(), in_reply_to: id, value, conversation: this.id };
    if (intent?.name) message.intent = intent.name;
    if (answer.reply.handler) message.handler = answer.reply.handler;
    answer.feedback = { message, waiting: true };
    this.#touch(answer);
    this.#changed();
    return message;
  }

  // What the door owes an answer to, as it was sent.
  unanswered() {
    const messages = [];
    for (const turn of this.turns) {
      if (turn.waiting) messages.push(this.#request(turn));
      if (turn.waiting && turn.cancelled) messages.push(cancelOf(turn));
      if (turn.feedback?.waiting) messages.push(turn.feedback.message);
    }
    return messages;
  }

  // Puts in what came from the door. Returns the turn that is finished by it, if any, for those who hear the page.
  take(message) {
    switch (message.type) {
      case 'chat.reply.part':
        return this.#part(message);
      case 'chat.reply':
        return this.#reply(message);
      case 'chat.error':
        return this.#rated(message) ? null : this.#error(message);
      case 'chat.done':
        this.#rated(message);
        return null;
      case 'chat.message':
        return this.#said(message);
      default:
        return null;
    }
  }

  #part({ in_reply_to: to, run, seq, delta }) {
    const asked = this.#asked(to);
    if (!asked?.waiting) return null;
    let answer = this.#answerTo(to);
    if (!answer) answer = this.#add({ kind: 'answer', to, text: '' });
    if (answer.run !== run) Object.assign(answer, { run, next: 0, text: '' });
    // After a gap, as when the connection was away, nothing is appended: the reply brings it all.
    if (answer.next !== seq) return null;
    answer.next += 1;
    answer.text += delta;
    this.#touch(answer);
    this.#onChange();
    return null;
  }

  #reply(message) {
    const asked = this.#asked(message.in_reply_to);
    const before = asked && this.#answerTo(asked.id);
    if (!asked || (before?.reply?.id && before.reply.id === message.id)) return null;
    this.#drop('failed', asked.id);
    this.#person(message.state?.status === 'person');
    const reply = {};
    for (const name of SHOWN) if (message[name] != null) reply[name] = message[name];
    const turn = this.#answer(asked, { text: message.body, reply });
    this.#changed();
    return turn;
  }

  #error({ in_reply_to: id, error }) {
    const asked = this.#asked(id);
    if (!asked?.waiting) return null;
    asked.waiting = false;
    this.#touch(asked);
    let turn = null;
    if (!this.withPerson || !NO_ERROR_WITH_PERSON.includes(error.code)) {
      this.#drop('answer', id); // what was shown of it is no answer
      this.#drop('failed', id);
      turn = this.#add({ kind: 'failed', to: id, code: error.code, retryable: error.retryable });
    }
    this.#changed();
    return turn;
  }

  #said({ id, conversation, body, locale }) {
    if (conversation !== this.id || this.turns.some((turn) => turn.kind === 'said' && turn.id === id)) return null;
    this.#person(true);
    // A person has read them, and may never answer them otherwise.
    for (const turn of this.#waiting()) {
      turn.waiting = false;
      this.#touch(turn);
    }
    const turn = this.#add({ kind: 'said', id, text: body, locale });
    this.#changed();
    return turn;
  }

  // Whether it is what came of a rating.
  #rated({ type, in_reply_to: id }) {
    const answer = this.turns.find((turn) => turn.feedback?.message?.id === id);
    if (!answer) return false;
    if (type === 'chat.done') answer.feedback.waiting = false;
    else answer.feedback = { failed: true };
    this.#touch(answer);
    this.#changed();
    return true;
  }

  #person(isThere) {
    if (this.withPerson === isThere) return;
    this.withPerson = isThere;
    this.line(isThere ? 'personCame' : 'personLeft');
  }

  line(line) {
    this.#add({ kind: 'line', line });
    this.#changed();
  }

  #answer(asked, content) {
    asked.waiting = false;
    this.#touch(asked);
    const answer = this.#answerTo(asked.id) ?? this.#add({ kind: 'answer', to: asked.id });
    Object.assign(answer, content, { cancelled: asked.cancelled });
    this.#touch(answer);
    return answer;
  }

  #waiting = () => this.turns.filter((turn) => turn.waiting);
  #asked = (id) => this.turns.find((turn) => turn.kind === 'asked' && turn.id === id);
  #answerTo = (id) => this.turns.find((turn) => turn.kind === 'answer' && turn.to === id);
  #drop(kind, to) {
    this.turns = this.turns.filter((turn) => turn.kind !== kind || turn.to !== to);
  }

  #add(turn) {
    this.turns.push(Object.assign(turn, { key: newId(), version: 0 }));
    return turn;
  }

  #touch(turn) {
    turn.version += 1;
  }

  #changed() {
    this.save();
    this.#onChange();
  }

  #request({ id, text, locale }) {
    const request = { type: 'chat.request', id, body: text, conversation: this.id, stream: true };
    return locale ? { ...request, locale } : request;
  }
}

const cancelOf = ({ id }) => ({ type: 'chat.cancel', id });

// crypto.randomUUID is only there on HTTPS and this machine's own pages.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
