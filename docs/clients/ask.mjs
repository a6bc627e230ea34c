// Ask the bot over RabbitMQ and print its reply.
//
//   npm install amqplib
//   node ask.mjs 我想查询产品规格
//   REPLIES=queue node ask.mjs "How do I return a kettle?"   the reply comes to a queue of our own
//   node ask.mjs "the kettle" intent.return_policy           straight to an intent
//
// AMQP_URL says where the broker is. Exit codes: 0 a reply, 1 an error reply, 69 no queue takes it, 75 no answer in time.
import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';

const WAIT = 30_000; // milliseconds
const [text, routingKey = 'request'] = process.argv.slice(2);

const connection = await amqp.connect(process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672/%2f');
const channel = await connection.createConfirmChannel();
const requestId = randomUUID();
let settle;
const answer = new Promise((resolve) => { settle = (code, say) => resolve({ code, say }); });

let replyTo = 'amq.rabbitmq.reply-to';
if (process.env.REPLIES === 'queue') ({ queue: replyTo } = await channel.assertQueue('', { exclusive: true }));
// Direct reply-to has to be consumed without acks, and before the request is published on the same channel.
await channel.consume(
  replyTo,
  (message) => {
    if (message?.properties.correlationId !== requestId) return; // it answers a question that we gave up
    const reply = JSON.parse(message.content.toString());
    settle(reply.type === 'chat.error' ? 1 : 0, JSON.stringify(reply, null, 2));
  },
  { noAck: true },
);

channel.on('return', () => settle(69, `no queue takes the routing key '${routingKey}'`));
channel.publish('chatbot', routingKey, Buffer.from(JSON.stringify({ body: text, sender: 'ask.mjs' })), {
  contentType: 'application/json',
  persistent: true,
  mandatory: true, // a routing key that nobody binds is an error here, and not a wait in vain
  messageId: requestId,
  correlationId: requestId,
  replyTo,
  expiration: WAIT, // milliseconds; later, the answer is of no use to us
});
await channel.waitForConfirms(); // rejects where the broker doesn't take the message

const timer = setTimeout(() => settle(75, `no answer within ${WAIT} ms`), WAIT);
const { code, say } = await answer;
clearTimeout(timer);
await connection.close();
(code === 75 || code === 69 ? console.error : console.log)(say);
process.exitCode = code;
