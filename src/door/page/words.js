// What the page says, in two languages, and how the page is put into one of them.

const WORDS = {
  en: {
    title: 'Assistant',
    hello: 'Hello! How can I help?',
    begin: 'Ask a question in your own words, in English or Chinese.',
    messages: 'Conversation',
    yours: 'Your message',
    placeholder: 'Write a message…',
    send: 'Send',
    stop: 'Stop the answer',
    again: 'Ask again',
    down: 'To the newest message',
    new: 'New conversation',
    forget: 'Forget this conversation',
    forgetTitle: 'Forget this conversation?',
    forgetText: "What was said here is erased on the server as well, and can't be brought back.",
    forgetNow: 'Forget',
    keep: 'Keep',
    forgotten: 'The conversation is forgotten.',
    close: 'Close',
    language: '中文',
    languageLabel: '用中文',
    ready: 'Online',
    connecting: 'Connecting…',
    away: 'Not available',
    withPerson: 'You are talking to a person',
    you: 'You said:',
    bot: 'Assistant:',
    person: 'Staff member',
    writing: 'The answer is being written',
    stopping: 'Stopping…',
    stopped: 'Stopped',
    interrupted: 'Interrupted: there was more to come',
    tooLong: 'Cut off: the answer reached its greatest length',
    personCame: 'A member of our staff has taken over',
    personLeft: 'The assistant is answering again',
    good: 'Good answer',
    bad: 'Bad answer',
    thanks: 'Thank you',
    notRated: "That couldn't be noted",
    sources: (n) => `Sources (${n})`,
    choices: 'Suggested answers',
    lost: 'The connection is lost. It will come back by itself…',
    offline: 'You are offline. This goes on as soon as you are back.',
    refused: "This page isn't allowed to talk to the assistant.",
    tooMany: 'That was a lot at once. One moment, please…',
    understood: (what) => `Understood as “${what}”`,
    unsure: 'Not sure what was meant',
    unclassified: 'How this was answered',
    intent: 'Intent',
    sureness: 'Confidence',
    predicted: 'Would have been',
    ranking: 'Likeliest',
    entities: 'Found in the text',
    handler: 'Answered by',
    model: 'Model',
    tokens: 'Tokens',
    tokensOf: (read, written) => `${read} read, ${written} written`,
    step: 'Conversation',
    steps: {
      asking: 'asks for',
      confirming: 'asks whether it is right',
      done: 'done',
      cancelled: 'cancelled',
      person: 'with a person',
    },
    sure: ['very sure', 'fairly sure', 'rather unsure', 'unsure'],
    errors: {
      invalid_message: "The message couldn't be read.",
      unsupported_media_type: "This kind of message isn't understood.",
      payload_too_large: 'That is too long. Please say it in fewer words.',
      unroutable: 'Nobody is there to answer this at the moment.',
      handler_failed: "Sorry, this can't be answered at the moment.",
      deadline_exceeded: 'The answer took too long.',
      crashed: 'Sorry, something went wrong with this question.',
      model_unavailable: "The assistant can't be reached at the moment.",
      timeout: 'The answer took too long.',
      overloaded: 'Many people are asking just now. Please try again in a moment.',
      rate_limited: 'That was a lot at once. Please try again in a moment.',
      unavailable: 'The assistant is away for a moment.',
      unauthorized: "This page isn't allowed to talk to the assistant.",
      forbidden: "This page isn't allowed to talk to the assistant.",
    },
    otherError: 'Sorry, something went wrong.',
  },
  zh: {
    title: '智能助手',
    hello: '您好！请问有什么可以帮您？',
    begin: '用您自己的话提问就可以，中文、英文都行。',
    messages: '对话',
    yours: '您的消息',
    placeholder: '请输入消息…',
    send: '发送',
    stop: '停止回答',
    again: '再问一次',
    down: '回到最新消息',
    new: '新对话',
    forget: '忘掉这次对话',
    forgetTitle: '忘掉这次对话？',
    forgetText: '这里说过的内容在服务器上也会删除，无法恢复。',
    forgetNow: '忘掉',
    keep: '保留',
    forgotten: '这次对话已经忘掉了。',
    close: '关闭',
    language: 'EN',
    languageLabel: 'In English',
    ready: '在线',
    connecting: '正在连接…',
    away: '暂不可用',
    withPerson: '人工客服正在为您服务',
    you: '您说：',
    bot: '智能助手：',
    person: '人工客服',
    writing: '正在回答',
    stopping: '正在停止…',
    stopped: '已停止',
    interrupted: '中断了，没有答完',
    tooLong: '回答达到长度上限，没有写完',
    personCame: '人工客服已接入',
    personLeft: '现在由智能助手回答',
    good: '回答有用',
    bad: '回答没用',
    thanks: '谢谢反馈',
    notRated: '没能记下来',
    sources: (n) => `参考资料（${n}）`,
    choices: '可选的回答',
    lost: '连接断开了，会自动恢复…',
    offline: '当前没有网络，恢复后会自动继续。',
    refused: '此页面无权使用智能助手。',
    tooMany: '消息太多了，请稍等片刻…',
    understood: (what) => `理解为“${what}”`,
    unsure: '没有把握理解对了',
    unclassified: '这个回答的由来',
    intent: '意图',
    sureness: '把握',
    predicted: '原本会是',
    ranking: '最可能的',
    entities: '文中提到',
    handler: '回答方式',
    model: '模型',
    tokens: '词元',
    tokensOf: (read, written) => `读入 ${read}，写出 ${written}`,
    step: '对话进展',
    steps: {
      asking: '正在询问',
      confirming: '正在确认',
      done: '已完成',
      cancelled: '已取消',
      person: '由人工服务',
    },
    sure: ['很有把握', '比较有把握', '不太有把握', '没有把握'],
    errors: {
      invalid_message: '这条消息无法读取。',
      unsupported_media_type: '不支持这种消息。',
      payload_too_large: '内容太长了，请说得简短一些。',
      unroutable: '现在没有人能回答这个问题。',
      handler_failed: '抱歉，暂时无法回答。',
      deadline_exceeded: '回答超时了。',
      crashed: '抱歉，处理这个问题时出错了。',
      model_unavailable: '暂时联系不上智能助手。',
      timeout: '回答超时了。',
      overloaded: '现在咨询的人很多，请稍后再试。',
      rate_limited: '消息太多了，请稍后再试。',
      unavailable: '智能助手暂时离开一下。',
      unauthorized: '此页面无权使用智能助手。',
      forbidden: '此页面无权使用智能助手。',
    },
    otherError: '抱歉，出了点问题。',
  },
};

export const isLanguage = (tag) => Object.hasOwn(WORDS, tag);

// The language of the first of the browser's that is spoken here.
export function browsersLanguage(languages) {
  const spoken = languages.map((tag) => tag.toLowerCase().split('-')[0]).find(isLanguage);
  return spoken ?? 'en';
}

export const wordsOf = (language) => WORDS[language];

// Puts the language's texts where the page's HTML names them.
export function translate(root, words) {
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = words[element.dataset.text];
  for (const element of root.querySelectorAll('[data-placeholder]'))
    element.placeholder = words[element.dataset.placeholder];
  for (const element of root.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', words[element.dataset.label]);
    if (element.localName === 'button') element.title = words[element.dataset.label];
  }
}

export function errorText(words, code) {
  return Object.hasOwn(words.errors, code) ? words.errors[code] : words.otherError;
}

// Confidence in words: of the answers with 0.9, about nine in ten are right.
export function sureness(words, confidence) {
  return words.sure[[0.9, 0.7, 0.5].findIndex((least) => confidence >= least)] ?? words.sure[3];
}
