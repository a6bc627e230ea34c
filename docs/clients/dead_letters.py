#!/usr/bin/env python3
"""Look at the messages of a dead-letter queue, and publish them again.

    pip install pika
    python3 dead_letters.py chatbot.requests.dead               list them; they stay where they are
    python3 dead_letters.py chatbot.requests.dead --bodies      with what the users wrote
    python3 dead_letters.py chatbot.requests.dead --replay      publish each once more, and take it out of the queue
    python3 dead_letters.py chatbot.requests.dead --reason handler_failed       only those with this reason

AMQP_URL says where the broker is; its user has to be allowed to read the queue and to write to the exchange.
"""
import argparse
import os
from datetime import datetime, timezone

import pika

parser = argparse.ArgumentParser()
parser.add_argument("queue")
parser.add_argument("--bodies", action="store_true")
parser.add_argument("--replay", action="store_true")
parser.add_argument("--reason")
arguments = parser.parse_args()

connection = pika.BlockingConnection(
    pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"))
)
channel = connection.channel()
channel.confirm_delivery()
exchange = arguments.queue.split(".")[0]


def seconds(milliseconds):
    return datetime.fromtimestamp((milliseconds or 0) / 1000, timezone.utc).isoformat(timespec="seconds")


# As many as there are now: what is replayed and fails again comes back to the end of the queue.
for _ in range(channel.queue_declare(arguments.queue, passive=True).method.message_count):
    method, properties, body = channel.basic_get(arguments.queue)
    if method is None:
        break
    headers = properties.headers or {}
    if arguments.reason and headers.get("chatbot-dead-reason") != arguments.reason:
        continue
    print(
        seconds(headers.get("chatbot-dead-at")),
        headers.get("chatbot-dead-reason", "?"),
        f"key={headers.get('chatbot-routing-key')} id={properties.message_id} reply_to={properties.reply_to}",
    )
    print("   ", headers.get("chatbot-dead-error", ""))
    if arguments.bodies:
        print("   ", body.decode("utf-8", "replace"))
    key = headers.get("chatbot-routing-key")
    if arguments.replay and key:
        # As the client published it: without our headers, of which chatbot-deadline and chatbot-attempt would have it
        # given up at once, and without the broker's, which begin with x-.
        properties.headers = {k: v for k, v in headers.items() if not k.startswith(("chatbot-", "x-"))}
        properties.delivery_mode = pika.DeliveryMode.Persistent.value
        channel.basic_publish(exchange, key, body, properties, mandatory=True)
        channel.basic_ack(method.delivery_tag)  # after the confirm: at worst there are two of it
connection.close()  # gives back to the queue what wasn't acked
