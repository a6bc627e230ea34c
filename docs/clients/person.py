#!/usr/bin/env python3
"""Be the person to whom the bot hands conversations, at a terminal.

    pip install pika
    python3 person.py

It shows what was said, and what the user says. What you type goes to the user; /release gives the conversation back to
the bot, and the next one that waits is shown. Ctrl-D ends it. AMQP_URL says where the broker is, and EXCHANGE the name
of the bot's exchange, where it isn't chatbot. Start a worker first: it makes the queue.
"""
import collections
import json
import os
import sys
import threading
import uuid

import pika

EXCHANGE = os.environ.get("EXCHANGE", "chatbot")
REPLY_TO = "amq.rabbitmq.reply-to"

waiting = collections.OrderedDict()  # the messages of each handover that aren't shown yet, by its pass; the first is open
greeted = set()  # the handovers whose users know that a person is there


def show(text):
    # What a user wrote could play with the terminal.
    print("".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text), flush=True)


def on_handed(channel, method, properties, body):
    # Only a worker publishes by the queue's name; in what came by the exchange, a client wrote the headers.
    handover = (properties.headers or {}).get("chatbot-conversation") if method.exchange == "" else None
    if handover is None:
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    waiting.setdefault(handover, []).append((method.delivery_tag, properties, json.loads(body)))
    if len(waiting) > 1 and next(iter(waiting)) != handover:
        show(f"({len(waiting) - 1} more wait)")
    show_open(channel)


def show_open(channel):
    """Shows what came in the open conversation."""
    if not waiting:
        return
    handover = next(iter(waiting))
    for tag, properties, request in waiting[handover]:
        if handover not in greeted:
            show(f"--- {request.get('sender', 'somebody')}, {request['conversation']}; known: {request['slots']}")
            for turn in request["transcript"][:-1]:
                show(("< " if turn["role"] == "assistant" else "> ") + turn["text"])
            greet(channel, properties, request)
            greeted.add(handover)
        attached = len(request.get("attachments", []))
        show("> " + request["body"] + (f" [{attached} attached]" if attached else ""))
        channel.basic_ack(tag)  # last: whatever ends this program before it, the message comes again
    waiting[handover] = []


def greet(channel, properties, request):
    """Replies to the request by which the conversation was handed over, so that nobody waits for the bot."""
    reply_to = properties.reply_to or ""
    direct = reply_to.startswith(REPLY_TO + ".")
    if not reply_to or reply_to.startswith((EXCHANGE + ".", "amq.")) and not (direct or reply_to.startswith("amq.gen-")):
        return
    reply = {
        "type": "chat.reply",
        "id": str(uuid.uuid4()),
        "in_reply_to": properties.message_id or request.get("id"),
        "sender": "chatbot",
        "body": "You are talking to a person now.",
        "locale": "en",
        "intent": {"name": properties.headers["chatbot-intent"], "confidence": None, "fallback": False},
        "conversation": request["conversation"],
        "state": {"status": "person"},
    }
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,  # persistent; older pika has no name for it
        type="chat.reply",
        message_id=reply["id"],
        correlation_id=properties.correlation_id or reply["in_reply_to"],
    )
    try:
        channel.basic_publish("", reply_to, json.dumps(reply).encode(), properties, mandatory=not direct)
    except pika.exceptions.UnroutableError:
        show("(the user has left)")


def say(channel, kind, body):
    """Has a worker tell the user something, or take the open conversation back."""
    handover = next(iter(waiting), None)
    if handover is None:
        show("(nobody is there to talk to)")
        return
    message_id = str(uuid.uuid4())
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,  # persistent; older pika has no name for it
        type=kind,
        message_id=message_id,
        correlation_id=message_id,
        reply_to=REPLY_TO,
        headers={"chatbot-conversation": handover},
    )
    channel.basic_publish(EXCHANGE, "request", json.dumps(body).encode(), properties, mandatory=True)


def on_done(channel, _method, _properties, body):
    done = json.loads(body)
    if done["type"] == "chat.error":
        show(f"({done['error']['message']})")
    elif done["done"] == "chat.message":
        show("(the user has left)" if done["delivered"] is False else "(said)")
        return
    else:
        show("(given back to the bot)")
    # By chat.release, or as the handover is over anyway: the next one that waits.
    if waiting and done.get("error", {}).get("code", "invalid_message") == "invalid_message":
        greeted.discard(waiting.popitem(last=False)[0])
        show_open(channel)


def typed(line):
    if line == "/release":
        say(channel, "chat.release", {})
    elif line:
        say(channel, "chat.message", {"body": line})


def read():
    for line in sys.stdin:
        connection.add_callback_threadsafe(lambda line=line.strip(): typed(line))
    connection.add_callback_threadsafe(channel.stop_consuming)


url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()
# Take what comes at once: what nobody takes within its time goes back to the bot, and its conversation with it.
channel.basic_qos(prefetch_count=100)
channel.basic_consume(REPLY_TO, on_done, auto_ack=True)
channel.basic_consume(f"{EXCHANGE}.person", on_handed)
show("waiting for conversations; /release gives one back, Ctrl-D ends this")
threading.Thread(target=read, daemon=True).start()
try:
    channel.start_consuming()
except KeyboardInterrupt:
    pass
connection.close()
