"""What breaks while the page is open."""

import re

from case import BrowserTest
from playwright.sync_api import expect
from rig import eventually


class Trouble(BrowserTest):
    def test_a_worker_that_is_killed_while_it_answers_costs_nothing_but_time(self):
        page = self.open()
        asked = len(self.rig.model.askers)
        self.rig.model.words = 80
        self.addCleanup(setattr, self.rig.model, "words", 240)
        self.say(page, "tell me a long story")
        bubble = self.await_writing(page)
        eventually("the answer is under way", lambda: len(bubble.inner_text()) > 60)
        victim = self.rig.model.askers[asked]
        before = len(bubble.inner_text())
        self.rig.kill(victim)
        self.addCleanup(self.rig.await_ready)
        self.addCleanup(self.rig.start_worker, victim)
        # The other one begins anew, in place of what the first has written.
        eventually("the answer is begun anew", lambda: len(bubble.inner_text()) < before)
        expect(page.locator(".writing")).to_have_count(0)
        self.assertNotIn(victim, self.rig.model.askers[asked + 1 :])
        text = page.locator("#messages > .answer .bubble").inner_text()
        self.assertEqual(len(text.split()), 80)
        expect(page.locator("#messages > .answer")).to_have_count(1)
        expect(page.locator(".failed")).to_have_count(0)

    def test_the_broker_restarts_while_the_page_is_open(self):
        page = self.open()
        self.ask(page, "please cancel my order")
        self.rig.restart_broker()
        self.rig.await_ready()
        self.await_open(page)
        expect(self.ask(page, "FL20251107")).to_contain_text("May I ask why")

    def test_a_door_that_ends_comes_back_by_itself_and_the_question_is_answered(self):
        page = self.open()
        self.ask(page, "hello")
        self.rig.kill("door")
        expect(page.locator("#trouble")).to_have_text(re.compile("connection is lost|offline"))
        self.say(page, "please cancel my order")
        self.rig.start_door()
        expect(page.locator("#messages > .answer").last).to_contain_text("Which order is it?")
        expect(page.locator("#trouble")).to_be_hidden()
        self.await_open(page)

    def test_a_question_asked_offline_is_answered_when_the_network_is_back(self):
        page = self.open()
        page.context.set_offline(True)
        self.rig.kill("door")  # an open connection isn't cut by that
        self.say(page, "hello")
        expect(page.locator("#trouble")).to_have_text("You are offline. This goes on as soon as you are back.")
        self.rig.start_door()
        self.rig.await_ready()
        page.context.set_offline(False)
        expect(page.locator("#messages > .answer")).to_contain_text("welcome")
        expect(page.locator("#messages > .asked")).to_have_count(1)

    def test_an_answer_whose_door_ends_is_whole_in_the_end(self):
        page = self.open()
        self.rig.model.words = 80
        self.addCleanup(setattr, self.rig.model, "words", 240)
        self.say(page, "tell me a long story")
        self.await_writing(page)
        self.rig.kill("door")
        self.rig.start_door()
        answer = page.locator("#messages > .answer:not(.writing) .bubble")
        expect(answer).to_have_count(1)
        # Where the worker has noticed that nobody was there, and has stopped, it begins anew.
        self.assertEqual(len(answer.inner_text().split()), 80)
        expect(page.locator(".finish")).to_have_count(0)

    def test_an_answer_that_was_cut_off_says_so_and_is_asked_for_again(self):
        for language, text, finish, again in [
            ("en-GB", "hello", "Interrupted: there was more to come", "Ask again"),
            ("zh-CN", "你好", "中断了，没有答完", "再问一次"),
        ]:
            page = self.open(language=language)
            asked = {"kind": "asked", "key": "a", "version": 0, "id": "q-1", "text": text}
            cut = {"kind": "answer", "key": "b", "version": 0, "to": "q-1", "text": "…", "cancelled": False}
            kept = {"turns": [asked, {**cut, "reply": {"finish": "cancelled"}}]}
            page.goto(f"{self.rig.door_url}livez")
            page.evaluate("kept => sessionStorage.setItem('chatbot / ', JSON.stringify(kept))", kept)
            page.goto(self.rig.door_url)
            self.await_open(page)
            expect(page.locator(".finish")).to_have_text(finish)
            button = page.get_by_role("button", name=again)
            expect(button).to_have_text(again)
            button.click()
            expect(page.locator("#messages > .asked")).to_have_count(2)
            expect(page.locator("#messages > .answer:not(.writing)")).to_have_count(2)
            expect(page.locator(".finish")).to_have_count(1)
            expect(page.locator(".soft.again")).to_be_hidden()

    def test_a_network_that_is_gone_is_told_though_the_socket_hasn_t_noticed(self):
        page = self.open()
        page.evaluate(
            "() => { window.real = WebSocket; window.WebSocket = class { static OPEN = 1;"
            " constructor() { setTimeout(() => this.onclose({code: 1006, reason: ''})) } close() {} } }"
        )
        page.context.set_offline(True)
        expect(page.locator("#status")).not_to_have_class("ready")
        expect(page.locator("#trouble")).to_have_text("You are offline. This goes on as soon as you are back.")
        page.evaluate("() => { window.WebSocket = window.real }")
        page.context.set_offline(False)
        self.await_open(page)
        expect(page.locator("#trouble")).to_be_hidden()

    def test_what_is_kept_of_a_conversation_and_has_another_form_counts_as_none(self):
        page = self.open()
        for kept in ["{", "null", '{"turns":[null]}', '{"turns":"x","id":5}', '{"turns":[{"kind":"answer"}]}']:
            page.goto(f"{self.rig.door_url}livez")
            page.evaluate("kept => sessionStorage.setItem('chatbot / ', kept)", kept)
            page.goto(self.rig.door_url)
            self.await_open(page)
            expect(self.ask(page, "hello")).to_contain_text("welcome")

    def test_a_text_that_is_longer_than_any_door_takes_stays_in_the_field(self):
        page = self.open()
        self.say(page, "x" * 1_200_000)
        expect(page.locator("#trouble")).to_have_text("That is too long. Please say it in fewer words.")
        self.assertEqual(page.evaluate("document.getElementById('text').value.length"), 1_200_000)
        expect(page.locator("#messages > li")).to_have_count(0)
        expect(self.ask(page, "hello")).to_contain_text("welcome")
        expect(page.locator("#trouble")).to_be_hidden()

    def test_what_is_too_large_is_told_and_not_sent_for_ever(self):
        page = self.open(self.rig.another_door(self, CHATBOT_WORKER_MAX_BODY="64KiB"))
        self.await_open(page)
        self.say(page, "x" * 100_000)
        expect(page.locator(".failed")).to_have_text("That is too long. Please say it in fewer words.")
        self.assertLess(page.locator(".asked .bubble").bounding_box()["height"], 500)
        self.await_open(page)
        expect(self.ask(page, "hello")).to_contain_text("welcome")
