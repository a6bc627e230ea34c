#!/usr/bin/env python3
"""Ask the bot over RabbitMQ and print its reply.

    pip install pika
    python3 ask.py 我想查询产品规格
    python3 ask.py --queue "How do I return a kettle?"           the reply comes to a queue of our own
    python3 ask.py --key intent.return_policy "the kettle"       straight to an intent

AMQP_URL says where the broker is. Exit codes: 0 a reply, 1 an error reply, 69 no queue takes it, 75 no answer in time.
"""
import argparse
import json
import os
import sys
import time
import uuid

import pika

WAIT = 30  # seconds

parser = argparse.ArgumentParser()
parser.add_argument("text")
parser.add_argument("--key", default="request", help="the routing key")
parser.add_argument("--queue", action="store_true", help="wait at a queue of our own, not at direct reply-to")
arguments = parser.parse_args()

url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()  # a publish returns once the broker has the message, and raises where it doesn't

request_id = str(uuid.uuid4())
replies = []


def on_reply(_channel, _method, properties, body):
    if properties.correlation_id == request_id:  # anything else answers a question that we gave up
        replies.append(json.loads(body))


reply_to = "amq.rabbitmq.reply-to"
if arguments.queue:
    reply_to = channel.queue_declare("", exclusive=True).method.queue
# Direct reply-to has to be consumed without acks, and before the request is published on the same channel.
channel.basic_consume(reply_to, on_reply, auto_ack=True)

try:
    channel.basic_publish(
        exchange="chatbot",
        routing_key=arguments.key,
        mandatory=True,  # a routing key that nobody binds is an error here, and not a wait in vain
        properties=pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,  # persistent; older pika has no name for it
            message_id=request_id,
            correlation_id=request_id,
            reply_to=reply_to,
            expiration=str(WAIT * 1000),  # milliseconds; later, the answer is of no use to us
        ),
        body=json.dumps({"body": arguments.text, "sender": "ask.py"}, ensure_ascii=False).encode(),
    )
except pika.exceptions.UnroutableError:
    print(f"no queue takes the routing key {arguments.key!r}", file=sys.stderr)
    sys.exit(69)

deadline = time.monotonic() + WAIT
while not replies and time.monotonic() < deadline:
    connection.process_data_events(time_limit=deadline - time.monotonic())
connection.close()
if not replies:
    print(f"no answer within {WAIT} s", file=sys.stderr)
    sys.exit(75)
print(json.dumps(replies[0], ensure_ascii=False, indent=2))
sys.exit(1 if replies[0]["type"] == "chat.error" else 0)
