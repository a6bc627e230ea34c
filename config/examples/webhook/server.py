#!/usr/bin/env python3
"""A webhook that answers for a chatbot-worker: Python's standard library alone.

    CHATBOT_SECRET=geheim python3 server.py 9000

and for the worker

    CHATBOT_ORDERS_KIND=webhook
    CHATBOT_ORDERS_URL=http://127.0.0.1:9000/
    CHATBOT_ORDERS_SECRET=geheim
    CHATBOT_ORDERS_IDEMPOTENT=true

It refuses what isn't signed with the secret, or was signed more than five minutes ago, and does what a request asks
for once, however often the request comes. It remembers requests while it runs; a real one keeps them in its database,
in the same transaction as what it does.
"""

import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("CHATBOT_SECRET", "").encode()
LONGEST_BODY = 4 << 20  # bytes
OLDEST = 300  # seconds
REMEMBERED = 10_000  # requests

answered: "OrderedDict[str, dict]" = OrderedDict()
lock = threading.Lock()


def is_signed(headers, body: bytes) -> bool:
    """Whether this came from who knows the secret, and just now."""
    timestamp = headers.get("x-chatbot-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > OLDEST:
        return False
    expected = hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest("v1=" + expected, headers.get("x-chatbot-signature", ""))


def answer(question: dict) -> dict:
    """What a request is answered. Done once for each request."""
    if question["intent"] != "cancel_order":
        return {"answer": None}  # the intent's next handler is asked
    order = next((entity["value"] for entity in question["entities"] if entity["name"] == "order_number"), None)
    if order is None:
        return {"texts": {"en": "Which order is it?", "zh": "是哪一笔订单？"}}
    print("cancelled", order, flush=True)
    return {
        "texts": {"en": f"Order {order} is cancelled.", "zh": f"订单{order}已取消。"},
        "data": {"order": order, "status": "cancelled"},
        "choices": [{"title": "OK", "value": "thank you"}],
    }


class Webhook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            return self.reply(413, {"message": "the body is too large, or says no length"})
        body = self.rfile.read(int(length))
        if SECRET and not is_signed(self.headers, body):
            return self.reply(401, {"message": "the signature is wrong, or too old"})
        try:
            question = json.loads(body)
        except ValueError:
            return self.reply(400, {"message": "the body isn't JSON"})
        request = self.headers.get("x-chatbot-request-id", "")
        # One at a time, so that a repetition waits for what it repeats.
        with lock:
            if request not in answered:
                answered[request] = answer(question)
                while len(answered) > REMEMBERED:
                    answered.popitem(last=False)
            else:
                print("known already:", request, flush=True)
            found = answered[request]
        self.reply(200, found)

    def reply(self, status: int, content: dict):
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: what users write is no one's business."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    server = ThreadingHTTPServer(("127.0.0.1", port), Webhook)
    print("listening on", server.server_address[1], flush=True)
    server.serve_forever()
