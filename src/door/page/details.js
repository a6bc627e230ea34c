// What stands below an answer for those who want to know more: its sources, and how it came about.
import { make } from './elements.js';
import { link } from './text.js';
import { sureness } from './words.js';

export function sources(list, words) {
  const items = list.map(({ title, text, url, path, id, score }) => {
    const name = title || path || url || id || '';
    const head = make('p', { className: 'source' }, url ? link(url, name) : name);
    if (path && path !== name) head.append(' ', make('span', { className: 'muted' }, path));
    if (typeof score === 'number') head.append(' ', make('span', { className: 'muted' }, percent(score)));
    return make('li', {}, head, ...(text ? [make('blockquote', {}, text)] : []));
  });
  return make('details', {}, make('summary', {}, words.sources(list.length)), make('ol', {}, ...items));
}

// How the text was understood, and who answered it.
export function understanding(reply, words) {
  const { intent, entities, ranking, handler, model, usage, state } = reply;
  const rows = [];
  const row = (name, ...value) => rows.push(make('dt', {}, name), make('dd', {}, ...value));
  const sure = (confidence) => `${sureness(words, confidence)} (${percent(confidence)})`;

  if (intent) row(words.intent, readable(intent.name));
  if (intent?.confidence != null) row(words.sureness, sure(intent.confidence));
  if (intent?.predicted)
    row(words.predicted, `${readable(intent.predicted.name)}: ${sure(intent.predicted.confidence)}`);
  if (state)
    row(
      words.step,
      [readable(state.intent ?? ''), words.steps[state.status] ?? state.status, readable(state.slot ?? '')]
        .filter(Boolean)
        .join(' · '),
    );
  if (entities?.length)
    row(
      words.entities,
      lines(
        entities.map(({ name, text, value }) => `${readable(name)}: ${text}${text === value ? '' : ` → ${value}`}`),
      ),
    );
  const likely = ranking?.filter(({ confidence }) => confidence >= 0.005) ?? [];
  if (likely.length)
    row(words.ranking, lines(likely.map(({ name, confidence }) => `${readable(name)} ${percent(confidence)}`)));
  if (handler) row(words.handler, handler);
  if (model) row(words.model, model);
  if (usage) row(words.tokens, words.tokensOf(usage.input_tokens, usage.output_tokens));

  return make(
    'details',
    { className: 'understanding' },
    make('summary', {}, summary(intent, words)),
    make('dl', {}, ...rows),
  );
}

function summary(intent, words) {
  if (intent?.fallback) return words.unsure;
  return intent?.confidence == null ? words.unclassified : words.understood(readable(intent.name));
}

const lines = (texts) => make('ul', {}, ...texts.map((text) => make('li', {}, text)));
const readable = (name) => name.replaceAll('_', ' ');
const percent = (share) => `${Math.round(share * 100)} %`;
