// The page: puts its parts together, and tells each what the others do.
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { Conversation, newId } from './conversation.js';
import { Door } from './door.js';
import { Messages } from './messages.js';
import { Scroll } from './scroll.js';
import { browsersLanguage, errorText, translate, wordsOf } from './words.js';

const find = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search); // by widget.js, or by whoever made the link
const isEmbedded = asked.has('embed');
const key = asked.get('key') || document.querySelector('meta[name="chatbot-key"]').content;
const title = asked.get('title')?.slice(0, 60);
const TROUBLE_AFTER = 1_500; // milliseconds: a connection that is back sooner isn't worth a word
const MOST_BYTES = 1_044_480; // of a text in JSON: 1 MiB, as CHATBOT_WORKER_MAX_BODY is, but for the other fields

const conversation = new Conversation(tabsStorage(), `chatbot ${location.pathname} ${key}`, show);
const messages = new Messages(find('messages'), find('spoken'));
const scroll = new Scroll(find('scroll'), find('down'));
const composer = new Composer({
  form: find('composer'),
  text: find('text'),
  send: find('send'),
  stop: find('stop'),
  accepts,
  onSend: ask,
  onStop: stop,
});
const door = new Door(document.baseURI, key);
let isNew = false; // whether the conversation was made by this page, and not taken over from before a reload
const connection = new Connection({
  door,
  conversation: async () => {
    if (!conversation.id) {
      conversation.id = await door.newConversation();
      isNew = true;
      conversation.save();
    }
    return conversation.id;
  },
  unanswered: () => [...conversation.unanswered(), ...(forgetting ? [forgetting] : [])],
  onMessage: take,
  onState: onConnection,
});
let forgetting = null; // the request to forget this conversation, while it is on its way
let state = 'connecting';
let troubleTimer = null;
let shownTrouble = '';

const language = () => conversation.language ?? browsersLanguage(navigator.languages);
const words = () => wordsOf(language());

// A browser may refuse pages in frames their storage; then a reload begins anew.
function tabsStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function show() {
  const context = { words: words(), language: language(), withDetails: !isEmbedded || asked.has('details'), actions };
  const waiting = conversation.isBusy ? 'writing' : conversation.isStopping ? 'stopping' : '';
  find('greeting').hidden = conversation.turns.length > 0;
  messages.show(conversation.turns, context, waiting);
  composer.show(conversation.isBusy);
  find('new').disabled = find('forget').disabled = conversation.turns.length === 0;
  showStatus();
}

function showStatus() {
  const text =
    { open: conversation.withPerson ? words().withPerson : words().ready, refused: words().away }[state] ??
    words().connecting;
  composer.allow(state !== 'refused');
  // Written only where it has changed, as it is read out.
  if (find('status').textContent !== text) find('status').textContent = text;
  find('status').className = state === 'open' ? 'ready' : '';
  find('trouble').hidden = !shownTrouble;
  const trouble = words()[shownTrouble] ?? (shownTrouble && errorText(words(), shownTrouble));
  if (find('trouble').textContent !== trouble) find('trouble').textContent = trouble;
}

function showLanguage() {
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  document.title = find('title').textContent = title || words().title;
  translate(document, words());
  find('language').textContent = words().language;
  find('language').lang = language() === 'zh' ? 'en' : 'zh-CN';
  find('language').setAttribute('aria-label', words().languageLabel);
  show();
}

function onConnection(now) {
  // A conversation from before that the door doesn't know as its own any more: begin another.
  if (now === 'refused' && !isNew && conversation.id) return begin();
  state = now;
  if (now !== 'lost') {
    clearTimeout(troubleTimer);
    troubleTimer = null;
  }
  if (now === 'open') setTrouble('');
  else if (now === 'refused' || now === 'tooMany') setTrouble(now);
  else if (now === 'lost' && !shownTrouble)
    troubleTimer ??= setTimeout(() => setTrouble(navigator.onLine ? 'lost' : 'offline'), TROUBLE_AFTER);
  showStatus();
}

function setTrouble(name) {
  shownTrouble = name;
  showStatus();
}

function take(message) {
  if (forgetting && message.in_reply_to === forgetting.id) return forgotten(message);
  const turn = conversation.take(message);
  if (!turn) return;
  messages.speak(
    turn.text || (turn.kind === 'failed' ? errorText(words(), turn.code) : words().stopped),
    turn.reply?.locale ?? turn.locale,
  );
  // The widget shows that something has come while it was closed.
  if (isEmbedded) parent.postMessage({ chatbot: 'news' }, '*');
}

// One that is too long for the door would be refused, and had better be shortened where it stands.
function accepts(text) {
  const isShort = text.length * 6 <= MOST_BYTES || new TextEncoder().encode(JSON.stringify(text)).length <= MOST_BYTES;
  if (!isShort) setTrouble('payload_too_large');
  return isShort;
}

function ask(text, shownAs) {
  if (conversation.isBusy) return;
  if (state === 'open') setTrouble('');
  // Which language to answer in is told by the text itself, unless the user has said so by hand.
  connection.send(conversation.ask(text, shownAs, conversation.language));
  scroll.toEnd();
}

function stop() {
  for (const cancel of conversation.cancel(connection.isOpen)) connection.send(cancel);
}

const actions = {
  choose: (value, shownAs) => {
    ask(value, shownAs);
    composer.focus(); // the button that was pressed is gone
  },
  again: (id) => {
    if (conversation.isBusy) return;
    connection.send(conversation.askAgain(id));
    composer.focus();
  },
  repeat: (id) => {
    const { text, title } = conversation.turns.find((turn) => turn.kind === 'asked' && turn.id === id) ?? {};
    if (text) ask(text, title);
    composer.focus();
  },
  rate: (answer, value) => connection.send(conversation.rate(answer, value)),
};

// Leaves the conversation as it is, and begins another.
function begin() {
  stop();
  forgetting = null;
  conversation.clear();
  connection.restart();
}

async function forget() {
  find('sure').showModal();
  await new Promise((resolve) => find('sure').addEventListener('close', resolve, { once: true }));
  if (find('sure').returnValue !== 'forget') return;
  stop();
  forgetting = { type: 'chat.forget', id: newId(), conversation: conversation.id };
  connection.send(forgetting);
}

function forgotten(message) {
  if (message.type === 'chat.error') {
    forgetting = null;
    setTrouble(message.error.code);
    return;
  }
  begin();
  composer.focus();
  conversation.line('forgotten');
  messages.speak(words().forgotten, language());
}

find('new').onclick = () => {
  begin();
  composer.focus();
};
find('forget').onclick = forget;
find('language').onclick = () => {
  conversation.language = language() === 'zh' ? 'en' : 'zh';
  conversation.save();
  showLanguage();
};
addEventListener('pagehide', () => conversation.save());

// What a virtual keyboard leaves of the page; where the browser doesn't make the page smaller by itself.
visualViewport?.addEventListener('resize', () => {
  const isCovered = visualViewport.scale === 1 && innerHeight - visualViewport.height > 80;
  if (isCovered) document.documentElement.style.setProperty('--height', `${visualViewport.height}px`);
  else document.documentElement.style.removeProperty('--height');
  scrollTo(0, 0);
});

if (isEmbedded) {
  const close = () => parent.postMessage({ chatbot: 'close' }, '*');
  document.documentElement.classList.add('embedded');
  find('close').hidden = false;
  find('close').onclick = close;
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing && !find('sure').open) close();
  });
  addEventListener('message', ({ source, data }) => {
    if (source === parent && data?.chatbot === 'open') composer.focus();
  });
}

showLanguage();
scroll.toEnd();
connection.restart();
if (!isEmbedded) composer.focus();
