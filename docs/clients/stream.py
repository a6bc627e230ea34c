#!/usr/bin/env python3
"""Ask the bot over RabbitMQ and print its answer as it is being written; Ctrl-C stops the answer.

    pip install pika
    python3 stream.py 写一首关于茶的短诗
    python3 stream.py "Tell me a story about a kettle"

AMQP_URL says where the broker is. Exit codes: 0 a reply, 1 an error reply, 75 no answer in time, 130 a second Ctrl-C.
"""
import json
import os
import sys
import time
import uuid

import pika

WAIT = 60  # seconds

url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

request_id = str(uuid.uuid4())
shown, run, reply = "", None, None


def on_message(_channel, _method, properties, body):
    global shown, run, reply
    if properties.correlation_id != request_id:  # anything else answers a question that we gave up
        return
    message = json.loads(body)
    if message["type"] != "chat.reply.part":
        reply = message
        return
    if message["run"] != run:  # the answer was begun anew, and what was shown is no longer so
        run = message["run"]
        print("\n" if shown else "", end="")
        shown = ""
    shown += message["delta"]
    print(message["delta"], end="", flush=True)


def publish(key, kind, body):
    channel.basic_publish(
        exchange="chatbot",
        routing_key=key,
        properties=pika.BasicProperties(
            content_type="application/json",
            type=kind,
            message_id=request_id,
            correlation_id=request_id,
            reply_to="amq.rabbitmq.reply-to",
            expiration=str(WAIT * 1000),  # milliseconds; later, the answer is of no use to us
        ),
        body=json.dumps(body, ensure_ascii=False).encode(),
    )


# Direct reply-to has to be consumed without acks, and before the request is published on the same channel.
channel.basic_consume("amq.rabbitmq.reply-to", on_message, auto_ack=True)
publish("request", "chat.request", {"body": " ".join(sys.argv[1:]), "sender": "stream.py", "stream": True})

cancelled = False
deadline = time.monotonic() + WAIT
while reply is None and time.monotonic() < deadline:
    try:
        connection.process_data_events(time_limit=1)
    except KeyboardInterrupt:
        if cancelled:  # a second one ends
            sys.exit(130)
        cancelled = True
        # The same id, correlation id and reply_to: what there is of the answer comes as the reply.
        publish("cancel", "chat.cancel", {"id": request_id})
connection.close()

if reply is None:
    print(f"no answer within {WAIT} s", file=sys.stderr)
    sys.exit(75)
if reply["type"] == "chat.error":
    print(reply["error"]["message"], file=sys.stderr)
    sys.exit(1)
# The reply is the answer, whatever was shown before it.
rest = reply["body"].removeprefix(shown) if reply["body"].startswith(shown) else "\n" + reply["body"]
print(rest, f"[{reply['finish']}]" if "finish" in reply else "")
