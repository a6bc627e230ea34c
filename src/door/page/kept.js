// What the tab's storage holds of a conversation. Anybody's script on this site, an older page or the user may have
// written it: what isn't of the form counts as none.
import { isLanguage } from './words.js';

const isText = (value) => typeof value === 'string';
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isNone = (value) => value === undefined || value === null;
const isListOf = (isIt) => (value) => Array.isArray(value) && value.every(isIt);
const may = (isIt) => (value) => isNone(value) || isIt(value);
const has = (fields) => (value) => isObject(value) && Object.entries(fields).every(([name, isIt]) => isIt(value[name]));

const isNamed = has({ name: isText });
const isReply = has({
  id: may(isText),
  locale: may(isText),
  intent: may(has({ name: isText, predicted: may(isNamed) })),
  entities: may(isListOf(isNamed)),
  ranking: may(isListOf(isNamed)),
  model: may(isText),
  handler: may(isText),
  sources: may(isListOf(has({ title: may(isText), text: may(isText), path: may(isText) }))),
  choices: may(isListOf(has({ title: isText, value: isText }))),
  usage: may(isObject),
  state: may(has({ intent: may(isText), slot: may(isText), status: may(isText) })),
});
const isTurn = {
  asked: has({ id: isText, text: isText, title: may(isText), locale: may(isText) }),
  answer: has({
    to: isText,
    text: isText,
    reply: may(isReply),
    feedback: may(has({ message: may(has({ id: isText })) })),
  }),
  said: has({ id: isText, text: isText, locale: may(isText) }),
  failed: has({ to: isText, code: isText }),
  line: has({ line: isText }),
};

// `text`: what was put there, or null. Without a word of a conversation whose form is another.
export function kept(text) {
  const { id, turns, withPerson, language } = read(text);
  const areTurns = isListOf(
    (turn) => isObject(turn) && isText(turn.key) && Object.hasOwn(isTurn, turn.kind) && isTurn[turn.kind](turn),
  );
  return {
    id: isText(id) && id ? id : null,
    turns: areTurns(turns) ? turns : [],
    withPerson: withPerson === true,
    language: isLanguage(language) ? language : null,
  };
}

function read(text) {
  try {
    const value = JSON.parse(text ?? '{}');
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
