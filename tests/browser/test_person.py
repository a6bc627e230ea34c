"""A person who takes over."""

import json
import threading
import uuid

import pika
from case import BrowserTest
from playwright.sync_api import expect
from rig import eventually


class Person:
    """A person's program: what it is handed is in `handed`; it says nothing by itself."""

    def __init__(self, rig):
        self.exchange = rig.exchange
        self.connection = pika.BlockingConnection(pika.URLParameters(rig.amqp_url))
        self.channel = self.connection.channel()
        self.handed = []
        self.channel.basic_consume(f"{self.exchange}.person", self.on_handed)
        self.thread = threading.Thread(target=self.channel.start_consuming, daemon=True)
        self.thread.start()

    def on_handed(self, channel, method, properties, body):
        self.handed.append((properties, json.loads(body)))
        channel.basic_ack(method.delivery_tag)

    def reply(self, text):
        properties, request = self.handed[-1]
        reply = {
            "type": "chat.reply",
            "id": str(uuid.uuid4()),
            "in_reply_to": properties.message_id,
            "sender": "chatbot",
            "body": text,
            "locale": "en",
            "intent": {"name": properties.headers["chatbot-intent"], "confidence": None, "fallback": False},
            "conversation": request["conversation"],
            "state": {"status": "person"},
        }
        self.publish("", properties.reply_to, reply, correlation_id=properties.correlation_id)

    def say(self, text, times=1):
        message_id = str(uuid.uuid4())
        for _ in range(times):
            self.publish(
                self.exchange,
                "request",
                {"body": text},
                type="chat.message",
                message_id=message_id,
                headers=self.handover(),
            )

    def release(self):
        self.publish(
            self.exchange, "request", {}, type="chat.release", message_id=str(uuid.uuid4()), headers=self.handover()
        )

    def handover(self):
        return {"chatbot-conversation": self.handed[-1][0].headers["chatbot-conversation"]}

    def publish(self, exchange, key, body, **properties):
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, **{"type": body.get("type"), **properties}
        )
        done = threading.Event()

        def publish():
            self.channel.basic_publish(exchange, key, json.dumps(body).encode(), properties)
            done.set()

        self.connection.add_callback_threadsafe(publish)
        assert done.wait(10)

    def leave(self):
        self.connection.add_callback_threadsafe(self.channel.stop_consuming)
        self.thread.join()
        self.connection.close()


class WithPerson(BrowserTest):
    def handed_over(self, page):
        person = Person(self.rig)
        self.addCleanup(person.leave)
        self.say(page, "I want to talk to a human")
        eventually("the conversation is handed over", lambda: person.handed)
        person.reply("I am Wang, how can I help?")
        expect(page.locator(".person .bubble")).to_have_text("I am Wang, how can I help?")
        return person

    def test_a_person_takes_over_speaks_unasked_and_gives_back(self):
        page = self.open()
        person = self.handed_over(page)
        expect(page.locator(".line")).to_have_text("A member of our staff has taken over")
        expect(page.locator("#status")).to_have_text("You are talking to a person")
        person.say("Please give me a minute.", times=2)
        expect(page.locator(".person .bubble")).to_have_text(["I am Wang, how can I help?", "Please give me a minute."])
        # Nobody has to wait for a person's answer before going on.
        self.say(page, "of course")
        self.say(page, "take your time")
        eventually(
            "both are handed on",
            lambda: [body["body"] for _, body in person.handed][-2:] == ["of course", "take your time"],
        )
        person.say("Done.")
        expect(page.locator(".person .bubble").last).to_have_text("Done.")
        person.release()
        expect(self.ask(page, "hello")).to_contain_text("welcome")
        expect(page.locator(".line").last).to_have_text("The assistant is answering again")
        expect(page.locator("#status")).to_have_text("Online")

    def test_that_a_person_takes_their_time_is_no_error(self):
        page = self.open(self.rig.another_door(self, CHATBOT_DOOR_TIMEOUT="2s"))
        self.await_open(page)
        person = self.handed_over(page)
        self.say(page, "of course")
        eventually("it is handed on", lambda: person.handed[-1][1]["body"] == "of course")
        is_awaited = "Object.values(sessionStorage).some((kept) => kept.includes('\"waiting\":true'))"
        eventually("the door gives it up", lambda: not page.evaluate(is_awaited))
        expect(page.locator(".failed")).to_have_count(0)
        person.say("Here I am.")
        expect(page.locator(".person .bubble").last).to_have_text("Here I am.")

    def test_what_a_person_says_while_the_page_is_away_comes_with_it(self):
        page = self.open()
        person = self.handed_over(page)
        page.goto("about:blank")
        person.say("Are you still there?")
        page.go_back()
        expect(page.locator(".person .bubble").last).to_have_text("Are you still there?")
        expect(page.locator("#status")).to_have_text("You are talking to a person")
