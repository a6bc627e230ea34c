// Ask the bot over RabbitMQ and print its answer as it is being written; Ctrl-C stops the answer.
//
//   npm install amqplib
//   node stream.mjs 写一首关于茶的短诗
//   node stream.mjs "Tell me a story about a kettle"
//
// AMQP_URL says where the broker is. Exit codes: 0 a reply, 1 an error reply, 75 no answer in time,
// 130 a second Ctrl-C.
import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';

const WAIT = 60_000; // milliseconds
const connection = await amqp.connect(process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672/%2f');
const channel = await connection.createChannel();
const requestId = randomUUID();
let shown = '';
let run;
let settle;
const answer = new Promise((resolve) => { settle = resolve; });

// Direct reply-to has to be consumed without acks, and before the request is published on the same channel.
await channel.consume(
  'amq.rabbitmq.reply-to',
  (message) => {
    if (message?.properties.correlationId !== requestId) return; // it answers a question that we gave up
    const said = JSON.parse(message.content.toString());
    if (said.type !== 'chat.reply.part') return settle(said);
    if (said.run !== run) { // the answer was begun anew, and what was shown is no longer so
      if (shown) process.stdout.write('\n');
      [run, shown] = [said.run, ''];
    }
    shown += said.delta;
    process.stdout.write(said.delta);
  },
  { noAck: true },
);

const publish = (key, type, body) => channel.publish('chatbot', key, Buffer.from(JSON.stringify(body)), {
  contentType: 'application/json',
  type,
  messageId: requestId,
  correlationId: requestId,
  replyTo: 'amq.rabbitmq.reply-to',
  expiration: WAIT, // milliseconds; later, the answer is of no use to us
});
publish('request', 'chat.request', { body: process.argv.slice(2).join(' '), sender: 'stream.mjs', stream: true });
// The same id, correlation id and reply_to: what there is of the answer comes as the reply.
process.once('SIGINT', () => {
  publish('cancel', 'chat.cancel', { id: requestId });
  process.once('SIGINT', () => process.exit(130)); // a second one ends
});

const timer = setTimeout(() => settle(undefined), WAIT);
const reply = await answer;
clearTimeout(timer);
await connection.close();
if (reply === undefined) {
  console.error(`no answer within ${WAIT} ms`);
  process.exitCode = 75;
} else if (reply.type === 'chat.error') {
  console.error(reply.error.message);
  process.exitCode = 1;
} else {
  // The reply is the answer, whatever was shown before it.
  const rest = reply.body.startsWith(shown) ? reply.body.slice(shown.length) : `\n${reply.body}`;
  console.log(rest, reply.finish ? `[${reply.finish}]` : '');
}
