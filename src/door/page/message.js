// One turn of the conversation as it is shown. `actions` are what its buttons do: choose, again, repeat, rate.
import { understanding, sources } from './details.js';
import { icon, make } from './elements.js';
import { textNodes } from './text.js';
import { errorText } from './words.js';

const LONG = 500; // characters: what may be higher than a bubble gets

export function turnElement(turn, { words, actions, withDetails }) {
  switch (turn.kind) {
    case 'asked':
      return make('li', { className: 'asked' }, speaker(words.you), ownBubble(turn.title ?? turn.text));
    case 'answer':
      return answer(turn, words, actions, withDetails);
    case 'said':
      return person(turn.text, turn.locale, words);
    case 'failed':
      return failed(turn, words, actions);
    default:
      return make('li', { className: 'line' }, words[turn.line]);
  }
}

// Who speaks is told by side and colour, and to those who don't see them in words.
const speaker = (name) => make('span', { className: 'unseen' }, name);

function ownBubble(text) {
  const made = make('div', { className: 'bubble', dir: 'auto' }, text);
  if (text.length > LONG) made.tabIndex = 0; // it may be higher than what is shown of it, and is then scrolled by keys
  return made;
}

function bubble(text, locale, cited) {
  const made = make('div', { className: 'bubble', dir: 'auto' }, ...textNodes(text, cited));
  if (locale) made.lang = locale;
  return made;
}

function person(text, locale, words) {
  return make(
    'li',
    { className: 'person' },
    make('p', { className: 'name' }, icon('person'), words.person),
    bubble(text, locale, 0),
  );
}

function answer(turn, words, actions, withDetails) {
  const { reply, text } = turn;
  if (reply?.state?.status === 'person') return person(text, reply.locale, words);
  const made = make('li', { className: reply ? 'answer' : 'answer writing' }, speaker(words.bot));
  if (text) made.append(bubble(text, reply?.locale, reply?.sources?.length));
  if (!reply) return made;
  const why = { cancelled: turn.cancelled ? words.stopped : words.interrupted, length: words.tooLong }[reply.finish];
  if (why) made.append(make('p', { className: 'muted finish' }, why));
  if (reply.choices?.length) made.append(choices(reply.choices, words, actions));
  made.append(row(turn, words, actions, withDetails));
  return made;
}

// An answer that isn't whole though the user hasn't stopped it here: another page has, or a worker of an older version.
const isInterrupted = ({ reply, cancelled }) => reply.finish === 'cancelled' && !cancelled;

function choices(list, words, actions) {
  const buttons = list.map(({ title, value }) => {
    const button = make('button', { type: 'button', className: 'choice', dir: 'auto' }, title);
    button.onclick = () => actions.choose(value, title);
    return button;
  });
  return make('div', { className: 'choices', role: 'group', aria: { label: words.choices } }, ...buttons);
}

function row(turn, words, actions, withDetails) {
  const { reply } = turn;
  const made = make('div', { className: 'row' });
  if (reply.id && reply.intent) {
    for (const [value, name, label] of [
      ['up', 'good', words.good],
      ['down', 'bad', words.bad],
    ]) {
      const pressed = turn.feedback?.message?.value === value;
      const button = make(
        'button',
        { type: 'button', className: 'small', title: label, aria: { label, pressed } },
        icon(name),
      );
      button.onclick = () => pressed || actions.rate(turn, value);
      made.append(button);
    }
  }
  // What the bot asks is answered, and not asked again.
  if (!['asking', 'confirming'].includes(reply.state?.status)) {
    // In words where it is what is to be done next.
    const again = isInterrupted(turn)
      ? make('button', { type: 'button', className: 'soft again' }, words.again)
      : make(
          'button',
          { type: 'button', className: 'small again', title: words.again, aria: { label: words.again } },
          icon('again'),
        );
    again.onclick = () => actions.repeat(turn.to);
    made.append(again);
  }
  if (turn.feedback && !turn.feedback.waiting)
    made.append(make('span', { className: 'muted' }, turn.feedback.failed ? words.notRated : words.thanks));
  if (reply.sources?.length) made.append(sources(reply.sources, words));
  if (withDetails && reply.intent) made.append(understanding(reply, words));
  return made;
}

function failed(turn, words, actions) {
  const made = make('li', { className: 'failed' }, make('p', {}, errorText(words, turn.code)));
  if (turn.retryable) {
    const button = make('button', { type: 'button', className: 'soft' }, words.again);
    button.onclick = () => actions.again(turn.to);
    made.append(button);
  }
  return made;
}
