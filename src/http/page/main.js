// The page to watch a worker: asks it every two seconds, and shows what it says.

import { show } from "./cards.js";
import { History } from "./history.js";
import { read } from "./metrics.js";
import { put } from "./elements.js";
import { browsersLanguage, translate, wordsOf } from "./words.js";

const EVERY = 2_000; // milliseconds
const LIMIT = 5_000;
const $ = (id) => document.getElementById(id);

const told = { history: new History(), workers: null, queues: null, ready: null, lostAt: null, now: Date.now() };
let language = browsersLanguage(navigator.languages);
let words = wordsOf(language);

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(LIMIT), cache: "no-store" });
  // Only /readyz says what it has to say by another status.
  if (!answer.ok && path !== "readyz") throw new Error(`${path}: ${answer.status}`);
  return { isOk: answer.ok, text: await answer.text() };
}

async function look() {
  try {
    const [metrics, workers, queues, ready] = await Promise.all(["metrics", "workers", "queues", "readyz"].map(ask));
    told.now = Date.now();
    told.history.add(told.now, read(metrics.text));
    [told.workers, told.queues] = [workers, queues].map(({ text }) => JSON.parse(text));
    told.ready = ready.isOk ? "ready" : ready.text.includes("training") ? "training" : "notReady";
    told.lostAt = null;
  } catch {
    told.now = Date.now();
    told.history.add(told.now, null);
    told.lostAt ??= told.now;
  }
  render();
}

function render() {
  const isLost = told.lostAt !== null;
  const time = (at) => new Date(at).toLocaleTimeString(language);
  put($("status"), isLost ? words.lost(time(told.lostAt)) : words[told.ready ?? "connecting"]);
  $("status").className = isLost ? "lost" : (told.ready ?? "");
  $("trouble").hidden = !isLost;
  put($("trouble"), isLost ? words.lostLong : "");
  document.body.classList.toggle("stale", isLost);
  show(told, words);
}

function speak(next) {
  language = next;
  words = wordsOf(language);
  document.documentElement.lang = language;
  translate(document, words);
  document.title = words.title;
  put($("language"), words.language);
  $("language").lang = language === "en" ? "zh" : "en";
  $("language").setAttribute("aria-label", words.languageLabel);
  render();
}

// What nobody sees isn't asked for.
const seen = () => new Promise((resolve) => {
  const check = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", check);
    resolve();
  };
  document.addEventListener("visibilitychange", check);
  check();
});

$("language").onclick = () => speak(language === "en" ? "zh" : "en");
speak(language);
for (;;) {
  await seen();
  await look();
  await new Promise((resolve) => setTimeout(resolve, EVERY));
}
