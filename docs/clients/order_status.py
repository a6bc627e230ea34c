#!/usr/bin/env python3
"""Answer the intent order_status, which shop.toml leaves to another program than the worker (handler = "external").

    pip install pika
    python3 order_status.py          Ctrl-C ends it

AMQP_URL says where the broker is. Start a worker first: it makes the queue.
"""
import json
import os
import re
import uuid

import pika

EXCHANGE, INTENT = "chatbot", "order_status"
ORDERS = {"1001": ("delivered", "已签收"), "1002": ("on its way", "运输中")}


def read(properties, body):
    """The request as an object; ValueError or LookupError where it can't be read. The body is as the client sent it."""
    if (properties.content_encoding or "utf-8").lower() not in ("utf-8", "utf8", "identity", "binary"):
        raise ValueError("compressed")  # this program's clients don't compress
    charset = re.search(r'charset="?([\w-]+)', properties.content_type or "")
    text = body.decode(charset[1] if charset else "utf-8")
    try:
        request = json.loads(text)
    except ValueError:
        request = None
    return request if isinstance(request, dict) and isinstance(request.get("body"), str) else {"body": text}


def answer(text):
    """The reply's text and its language; LookupError where there is none."""
    number = re.search(r"\d{4}", text)
    if re.search(r"[\u4e00-\u9fff]", text):
        return (f"订单{number[0]}：{ORDERS[number[0]][1]}。" if number else "请告诉我四位订单号。"), "zh"
    return (f"Order {number[0]} is {ORDERS[number[0]][0]}." if number else "Please tell me the order's number."), "en"


def on_request(channel, method, properties, body):
    try:
        request = read(properties, body)
        text, locale = answer(request["body"])
    except (ValueError, LookupError):
        # Not a requeue, which would come back at once, for ever. The broker hands a rejected message to the workers:
        # they tell the client `handler_failed` and keep the message in the dead-letter queue of its first queue.
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    classification = json.loads((properties.headers or {}).get("chatbot-classification", "{}"))
    reply = {
        "type": "chat.reply",
        "id": str(uuid.uuid4()),
        "in_reply_to": properties.message_id or request.get("id"),
        "sender": "chatbot",
        "body": text,
        "locale": locale,
        "intent": {
            "name": INTENT,
            "confidence": classification.get("confidence"),
            "fallback": classification.get("fallback", False),
        },
    }
    for field in ("conversation", "metadata"):
        if field in request:
            reply[field] = request[field]
    # Whoever asks chooses reply_to. It must not lead into the bot's own queues, nor into other objects of the broker.
    reply_to = properties.reply_to or ""
    allowed = not reply_to.startswith((EXCHANGE + ".", "amq.")) or reply_to.startswith(
        ("amq.gen-", "amq.rabbitmq.reply-to.")
    )
    if reply_to and allowed:
        try:
            channel.basic_publish(  # returns once the broker has confirmed it, and raises where it doesn't
                exchange="",
                routing_key=reply_to,
                # Not on direct reply-to, where brokers return what they delivered.
                mandatory=not reply_to.startswith("amq.rabbitmq.reply-to."),
                properties=pika.BasicProperties(
                    content_type="application/json",
                    delivery_mode=2,  # persistent; older pika has no name for it
                    type="chat.reply",
                    message_id=reply["id"],
                    correlation_id=properties.correlation_id or reply["in_reply_to"],
                ),
                body=json.dumps(reply, ensure_ascii=False).encode(),
            )
        except pika.exceptions.UnroutableError:
            pass  # its queue is gone: nobody is there to hear
    channel.basic_ack(method.delivery_tag)  # last: whatever ends this program before it, the request comes again


url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()
channel.basic_qos(prefetch_count=16)
channel.basic_consume(f"{EXCHANGE}.intent.{INTENT}", on_request)
print(f"answering {INTENT}", flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
