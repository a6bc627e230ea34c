// Where the door is, by what key it is asked, and what is fetched from it.

// The door doesn't let this page in: its key is missing or wrong, or not for this page's origin.
export class Refused extends Error {}
export class TooMany extends Error {}

// The visitor of a page can't mend what the door refuses; whoever builds it reads the console.
export function tellDeveloper(code, message) {
  console.error(`chatbot: the door refuses this page (${code}): ${message}`);
}

async function refuse(answer) {
  const { status } = answer;
  if (status === 401 || status === 403) {
    const told = await answer.json().catch(() => null);
    tellDeveloper(told?.error?.code ?? status, told?.error?.message ?? '');
    throw new Refused();
  }
  if (status === 429) throw new TooMany();
}

export class Door {
  #base;
  #key;

  // `key`: a public key, or "" where the door asks for none.
  constructor(base, key) {
    this.#base = base;
    this.#key = key;
  }

  // A conversation of one's own: nobody can guess its name.
  async newConversation() {
    const headers = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
    const answer = await fetch(new URL('api/conversations', this.#base), {
      method: 'POST',
      headers,
      credentials: 'omit',
    });
    await refuse(answer);
    if (!answer.ok) throw new Error(`the door answered ${answer.status}`);
    return (await answer.json()).conversation;
  }

  // Why the socket wasn't opened, of which a browser tells nothing: its address, asked as a page, tells it.
  async whyRefused(conversation) {
    const address = this.socketAddress(conversation).replace(/^ws/, 'http');
    await refuse(await fetch(address, { credentials: 'omit' }));
  }

  socketAddress(conversation) {
    const address = new URL('api/socket', this.#base);
    address.protocol = address.protocol.replace('http', 'ws');
    // A browser's socket can't send a header.
    if (this.#key) address.searchParams.set('key', this.#key);
    address.searchParams.set('conversation', conversation);
    return address.href;
  }
}
