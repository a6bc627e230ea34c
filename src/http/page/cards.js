// The parts of the page, each put in anew from what was told last: `told` is {history, workers, queues, now}.

import { draw } from "./chart.js";
import { keep, make, put, rows } from "./elements.js";
import { by, having, sum } from "./metrics.js";

const SHOWN = 12; // rows of a list that may be long
const ANSWERS = "chatbot_intent_replies_total"; // word that feedback was counted is none
const FAILURES = ["unreachable", "timeout", "throttled", "server", "denied"]; // of a service, which count for its breaker
const UNASKED = ["busy", "open", "not_ready", "budget"];
const $ = (id) => document.getElementById(id);
const right = (text) => ({ text, className: "right" });

export function show(told, words) {
  if (!told.history.latest) return;
  for (const card of [tiles, workers, queues, dead, intents, feedback, services, door]) card(told, words, told.history.latest);
}

function tiles({ history, now }, words, latest) {
  put($("requests"), words.perSecond(words.rate(history.rate("chatbot_deliveries_total"))));
  draw($("requests-line"), history.rates("chatbot_deliveries_total"), now);
  put($("answers"), words.perSecond(words.rate(history.rate(ANSWERS))));
  const [answers, errors] = [sum(latest, ANSWERS) ?? 0, sum(latest, "chatbot_replies_total", { result: "error" }) ?? 0];
  put($("answers-note"), words.answersNote(words.number(answers)) + (errors ? words.errorsNote(words.number(errors)) : ""));
  draw($("answers-line"), history.rates(ANSWERS), now);
  const [p50, p99] = [0.5, 0.99].map((part) => history.quantile("chatbot_request_seconds", part));
  put($("latency"), `p99 ${words.time(p99)}`);
  put($("latency-note"), p50 === null ? words.latencyNone : words.latencyNote(words.time(p50)));
  draw($("latency-line"), history.quantiles("chatbot_request_seconds", 0.99), now);
  put($("work"), words.number(sum(latest, "chatbot_in_flight") ?? 0));
  draw($("work-line"), history.values("chatbot_in_flight"), now);
}

function workers({ workers: told }, words) {
  put($("scope"), told ? words.scope(told.this) : words.scopeDoor);
  $("workers-card").querySelector(".scroll").hidden = !told?.workers.length;
  if (!told?.workers.length) {
    put($("workers-note"), told ? words.workersNobody : words.workersNone);
    return;
  }
  const count = (bot) => told.workers.filter((worker) => worker.bot === bot).length;
  const usual = told.workers.map((worker) => worker.bot).sort((a, b) => count(b) - count(a) || a.localeCompare(b))[0];
  const differ = told.workers.some((worker) => worker.bot !== usual);
  put($("workers-note"), words.workersNote(words.number(told.workers.length)) + (differ ? words.workersDiffer : ""));
  rows($("workers"), told.workers, (worker) => worker.name, (worker) => [
    { text: worker.name, className: worker.name === told.this ? "here" : "" },
    worker.version,
    { text: worker.bot.slice(0, 8) + (worker.bot === usual ? "" : "*"), className: "code" },
    worker.store ?? "–",
    worker.waits ? words.waits : { text: worker.lanes || "–", className: "code" },
    right(words.number(worker.in_flight)),
    right(words.ago(words.time(worker.heard / 1000))),
  ]);
  for (const row of $("workers").children) row.firstChild.dataset.here = words.here;
}

// The queues of conversations are one line: which of them a conversation goes to says nothing.
function together(queues) {
  const all = new Map();
  for (const { queue, messages, consumers } of queues) {
    const name = queue.replace(/\.conversation\.[0-9a-f]$/, ".conversation.*");
    const one = all.get(name) ?? { queue: name, messages: 0, consumers: 0 };
    all.set(name, { queue: name, messages: one.messages + messages, consumers: one.consumers + consumers });
  }
  // Those of intents may be many.
  const rank = ({ queue }) => Number(queue.includes(".intent."));
  return [...all.values()].sort((a, b) => b.messages - a.messages || rank(a) - rank(b));
}

function queues({ queues: told }, words) {
  $("queues-card").hidden = !told;
  if (!told) return;
  const known = told.ago !== null;
  $("queues-table").hidden = !known;
  const leftOut = told.left_out ? words.queuesLeftOut(words.number(told.left_out)) : "";
  put($("queues-note"), known ? words.queuesNote(words.time(told.ago / 1000)) + leftOut : words.queuesAsking);
  few($("queues"), together(told.queues), words, ({ queue, messages, consumers }) => [
    { text: queue, className: "code" },
    { text: words.number(messages), className: messages ? "right many" : "right" },
    { text: words.number(consumers), className: consumers ? "right" : "right warm" },
  ], ({ queue }) => queue);
}

function dead(_, words, latest) {
  const reasons = by(latest, "chatbot_dead_letters_total", "reason").filter(([, count]) => count);
  const all = reasons.reduce((total, [, count]) => total + count, 0);
  put($("dead-note"), all ? words.deadNote(words.number(all)) : words.deadNone);
  keep($("dead"), reasons, ([reason]) => reason, ([reason]) => letter(reason), (item, [reason, count]) => {
    put(item.querySelector("b"), reason);
    put(item.querySelector(".count"), words.number(count));
    const [button, command] = [item.querySelector("button"), item.querySelector("code").textContent];
    if (!button.dataset.told) put(button, words.copy);
    button.setAttribute("aria-label", words.copyLabel(command));
    button.copied = words.copied;
  });
}

function letter(reason) {
  const command = make("code", { textContent: `chatbot-worker dead list --reason ${reason}` });
  const button = make("button", { type: "button", className: "plain" });
  button.onclick = async () => {
    getSelection().selectAllChildren(command);
    // Where the browser allows no more, as over plain HTTP, it is selected at least.
    if (!(await navigator.clipboard?.writeText(command.textContent).then(() => true, () => false))) return;
    button.dataset.told = "yes";
    put(button, button.copied);
    setTimeout(() => delete button.dataset.told, 2000);
  };
  const head = make("p", {}, make("b"), make("span", { className: "count" }));
  return make("li", {}, head, make("p", { className: "command" }, command, button));
}

function intents(_, words, latest) {
  const all = by(latest, ANSWERS, "intent");
  const isFallback = new Set(by(latest, ANSWERS, "intent", { fallback: "true" }).map(([intent]) => intent));
  const [total, fallback] = [sum(latest, ANSWERS) ?? 0, sum(latest, ANSWERS, { fallback: "true" }) ?? 0];
  const note = () => words.intentsNote(words.number(fallback), words.number(total), words.share(fallback, total));
  put($("intents-note"), total ? note() : words.intentsNone);
  const shown = all.slice(0, SHOWN);
  const left = all.length - shown.length;
  keep($("intents"), left ? [...shown, [null, left]] : shown, ([intent]) => intent ?? "", bar, (item, [intent, count]) => {
    const [name, number, line] = item.children;
    put(name, intent === null ? words.more(words.number(count)) : intent);
    put(number, intent === null ? "" : words.number(count));
    name.dataset.mark = isFallback.has(intent) ? words.fallback : "";
    line.firstChild.style.width = intent === null ? "0" : `${(100 * count) / all[0][1]}%`;
    line.hidden = intent === null;
  });
}

const bar = () => make("li", {}, make("span", { className: "code" }), make("span", { className: "count" }), make("i", { className: "bar" }, make("i")));

function feedback(_, words, latest) {
  const of = (value) => new Map(by(latest, "chatbot_feedback_total", "intent", { value }));
  const [up, down] = [of("up"), of("down")];
  const all = [...new Set([...up.keys(), ...down.keys()])].map((intent) => ({ intent, up: up.get(intent) ?? 0, down: down.get(intent) ?? 0 }));
  all.sort((a, b) => b.down - a.down || b.up - a.up || a.intent.localeCompare(b.intent));
  $("feedback-table").hidden = !all.length;
  put($("feedback-note"), all.length ? words.feedbackNote : words.feedbackNone);
  few($("feedback"), all, words, ({ intent, up, down }) => [
    intent === "unknown" ? words.unknown : { text: intent, className: "code" },
    right(words.number(up)),
    { text: words.number(down), className: down ? "right many" : "right" },
  ], ({ intent }) => intent);
}

function services({ history }, words, latest) {
  const requests = "chatbot_backend_requests_total";
  const all = new Map();
  for (const name of [requests, "chatbot_backend_breaker_open"]) {
    for (const [, { labels }] of having(latest, name)) all.set(`${labels.model} ${labels.use}`, { model: labels.model, use: labels.use });
  }
  $("services-table").hidden = !all.size;
  put($("services-note"), all.size ? words.servicesNote : words.servicesNone);
  rows($("services"), [...all.values()], ({ model, use }) => `${model} ${use}`, ({ model, use }) => {
    const results = by(latest, requests, "result", { model, use });
    const count = (wanted) => results.reduce((total, [result, count]) => total + (wanted(result) ? count : 0), 0);
    const [asked, failed] = [count((result) => !UNASKED.includes(result)), count((result) => FAILURES.includes(result))];
    const isOpen = sum(latest, "chatbot_backend_breaker_open", { model, use }) === 1;
    return [
      `${model} · ${words.uses[use] ?? use}`,
      { text: isOpen ? words.open : words.closed, className: isOpen ? "bad" : "good" },
      right(words.number(asked)),
      { text: words.number(failed), className: failed ? "right many" : "right" },
      right(words.time(history.quantile("chatbot_backend_seconds", 0.99, 180_000, { model, use }))),
    ];
  });
}

function door(_, words, latest) {
  const connections = sum(latest, "chatbot_door_connections");
  const requests = [...having(latest, "chatbot_door_requests_total")].map(([key, { labels, value }]) => ({ key, ...labels, value }));
  $("door-card").hidden = connections === null && !requests.length;
  put($("door-note"), words.doorNote(words.number(connections ?? 0), words.number(sum(latest, "chatbot_door_sockets") ?? 0)));
  $("door-table").hidden = !requests.length;
  requests.sort((a, b) => a.door.localeCompare(b.door) || b.value - a.value);
  few($("door"), requests, words, ({ door, outcome, value }) => [door, { text: outcome, className: "code" }, right(words.number(value))], ({ key }) => key);
}

// The first rows, and how many more there are.
function few(body, all, words, cells, keyOf) {
  const shown = all.slice(0, SHOWN);
  const left = all.length - shown.length;
  const items = left ? [...shown, null] : shown;
  rows(body, items, (item) => (item ? keyOf(item) : ""), (item) => (item ? cells(item) : [words.more(words.number(left)), "", ""]));
}
