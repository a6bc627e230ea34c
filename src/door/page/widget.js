// A round button in any page, which opens the chat:
//   <script src="https://door.example/widget.js" data-key="…" data-title="…" defer></script>
// `data-key`: a public key, where the door asks for one. `data-title`: who the visitor talks to. `data-details`: the
// chat shows how it understood. Everything is in a shadow root, so that the page's style and this one don't meet.
(() => {
  const script = document.currentScript;
  const { key, title, details } = script.dataset;
  const isChinese = (navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en').toLowerCase().startsWith('zh');
  const words = isChinese
    ? { open: '打开对话', close: '关闭对话', chat: '对话', news: '打开对话，有新消息' }
    : { open: 'Open chat', close: 'Close chat', chat: 'Chat', news: 'Open chat, new message' };
  const page = new URL('./', script.src);
  page.searchParams.set('embed', '1');
  if (key) page.searchParams.set('key', key);
  if (title) page.searchParams.set('title', title);
  if (details !== undefined) page.searchParams.set('details', '1');

  const host = document.createElement('chatbot-widget');
  const root = host.attachShadow({ mode: 'open' });
  // A sheet that is made here is allowed also where the page's policy forbids styles in its text.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial !important; color-scheme: light dark !important; }
    .button {
      all: unset; position: fixed; z-index: 2147483000; right: max(20px, env(safe-area-inset-right));
      bottom: max(20px, env(safe-area-inset-bottom)); display: grid; place-items: center; width: 60px; height: 60px;
      border-radius: 50%; background: #1f6f5c; color: #fff; cursor: pointer;
      box-shadow: 0 2px 6px rgb(0 0 0 / 16%), 0 10px 28px rgb(0 0 0 / 20%); -webkit-tap-highlight-color: transparent;
    }
    .button:hover { background: #185a4a; }
    .button:focus-visible { outline: 3px solid #fff; box-shadow: 0 0 0 6px #185a4a; }
    svg {
      width: 28px; height: 28px; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round;
      stroke-linejoin: round;
    }
    .button[aria-expanded=true] .bubble, .button[aria-expanded=false] .cross { display: none; }
    .button.news::after {
      content: ""; position: absolute; right: 2px; top: 2px; width: 13px; height: 13px; border-radius: 50%;
      background: #e5484d; border: 2px solid #fff;
    }
    .panel {
      position: fixed; z-index: 2147483000; right: max(20px, env(safe-area-inset-right));
      bottom: calc(92px + env(safe-area-inset-bottom)); width: min(400px, calc(100vw - 40px));
      height: min(660px, calc(100vh - 120px)); border-radius: 20px; overflow: hidden; background: Canvas;
      box-shadow: 0 2px 8px rgb(0 0 0 / 12%), 0 20px 60px rgb(0 0 0 / 24%);
    }
    .panel[hidden] { display: none; }
    iframe { display: block; width: 100%; height: 100%; border: 0; }
    @media (prefers-reduced-motion: no-preference) { .panel { animation: come .18s ease-out; } }
    @keyframes come { from { opacity: 0; transform: translateY(12px); } }
    @media (max-width: 480px), (max-height: 480px) {
      .panel { inset: 0; width: 100%; height: 100vh; height: 100dvh; border-radius: 0; }
      .panel:not([hidden]) + .button { display: none; }
    }`);
  root.adoptedStyleSheets = [sheet];

  const panel = Object.assign(document.createElement('div'), { className: 'panel', id: 'panel', hidden: true });
  panel.setAttribute('role', 'dialog');
  panel.setAttribute('aria-label', title || words.chat);
  const button = Object.assign(document.createElement('button'), { className: 'button', type: 'button' });
  button.setAttribute('aria-controls', 'panel');
  button.append(
    picture(
      'bubble',
      'M5 5.5h14a2.5 2.5 0 0 1 2.5 2.5v7a2.5 2.5 0 0 1-2.5 2.5h-5.5L9 21v-3.5H5A2.5 2.5 0 0 1 2.5 15V8A2.5 2.5 0 0 1 5 5.5Z' +
        'M8.5 11v1M15.5 11v1',
    ),
    picture('cross', 'm6 6 12 12M18 6 6 18'),
  );
  root.append(panel, button);
  let frame = null; // made when it is first opened: who doesn't ask costs nothing

  function picture(name, path) {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    for (const [attribute, value] of [
      ['class', name],
      ['viewBox', '0 0 24 24'],
      ['aria-hidden', 'true'],
    ])
      svg.setAttribute(attribute, value);
    line.setAttribute('d', path);
    svg.append(line);
    return svg;
  }

  function show(isOpen, withFocus) {
    panel.hidden = !isOpen;
    button.setAttribute('aria-expanded', isOpen);
    button.setAttribute('aria-label', isOpen ? words.close : words.open);
    button.classList.remove('news');
    remember(isOpen);
    if (isOpen && !frame) {
      frame = Object.assign(document.createElement('iframe'), { src: page.href, title: title || words.chat });
      // It can't be spoken to sooner.
      if (withFocus) frame.onload = focus;
      panel.append(frame);
    } else if (withFocus) {
      if (isOpen) focus();
      else button.focus();
    }
  }

  function focus() {
    frame.focus();
    frame.contentWindow.postMessage({ chatbot: 'open' }, page.origin);
  }

  // A chat that is open stays so on the shop's next page.
  function remember(isOpen) {
    try {
      if (isOpen) sessionStorage.setItem('chatbot-widget', 'open');
      else sessionStorage.removeItem('chatbot-widget');
    } catch {
      // Without storage it is closed there.
    }
  }

  function wasOpen() {
    try {
      return sessionStorage.getItem('chatbot-widget') === 'open';
    } catch {
      return false;
    }
  }

  button.addEventListener('click', () => show(panel.hidden, true));
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !panel.hidden && root.activeElement) show(false, true);
  });
  addEventListener('message', ({ source, origin, data }) => {
    if (!frame || source !== frame.contentWindow || origin !== page.origin) return;
    if (data?.chatbot === 'close') show(false, true);
    if (data?.chatbot === 'news' && panel.hidden) {
      button.classList.add('news');
      button.setAttribute('aria-label', words.news);
    }
  });

  // On a phone it would cover the page that was gone to.
  show(wasOpen() && !matchMedia('(max-width: 480px), (max-height: 480px)').matches, false);
  document.body.append(host);
})();
