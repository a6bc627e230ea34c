"""Questions and answers."""

import re

from case import BrowserTest
from playwright.sync_api import expect
from rig import eventually


class Talking(BrowserTest):
    def test_a_question_in_english(self):
        page = self.open()
        expect(self.ask(page, "hello")).to_contain_text("welcome to Fengli Home")
        expect(page.locator("h1")).to_have_text("Assistant")

    def test_a_question_in_chinese(self):
        page = self.open(language="zh-CN")
        expect(page.locator("h1")).to_have_text("智能助手")
        expect(self.ask(page, "你好")).to_contain_text("欢迎光临枫里家居")
        self.assertEqual(page.locator("html").get_attribute("lang"), "zh-CN")

    def test_a_text_in_another_language_than_the_page_s_is_answered_in_its_own(self):
        page = self.open(language="en-GB")
        expect(self.ask(page, "你好")).to_contain_text("欢迎光临")

    def test_who_switches_the_language_by_hand_is_answered_in_it(self):
        page = self.open(language="en-GB")
        page.get_by_role("button", name="用中文").click()
        expect(page.locator("h1")).to_have_text("智能助手")
        expect(self.ask(page, "hello")).to_contain_text("欢迎光临")

    def test_an_answer_from_documents_shows_its_sources(self):
        page = self.open()
        self.ask(page, "how long does a refund take with WeChat Pay")
        page.get_by_text(re.compile(r"Sources \(\d\)")).click()
        expect(page.locator("details[open] .source").first).to_be_visible()
        expect(page.locator("details[open] blockquote").first).not_to_be_empty()

    def test_what_was_understood_is_told_on_request(self):
        page = self.open()
        self.ask(page, "where is FL20251107")
        expect(page.locator("dl")).to_be_hidden()
        page.get_by_text("Understood as “order status”").click()
        expect(page.locator("dl")).to_contain_text("FL20251107")
        expect(page.locator("dl")).to_contain_text(re.compile(r"(very|fairly) sure \(\d+ %\)"))
        expect(page.locator("dl")).to_contain_text("template")

    def test_slots_are_filled_and_a_button_answers(self):
        page = self.open()
        expect(self.ask(page, "please cancel my order")).to_contain_text("Which order is it?")
        expect(self.ask(page, "FL20251107")).to_contain_text("May I ask why")
        expect(self.ask(page, "I found a cheaper one")).to_contain_text("Shall I cancel order FL20251107?")
        yes = page.locator(".choice").first
        title = yes.inner_text()
        yes.click()
        expect(page.locator("#messages > .asked").last).to_contain_text(title)
        expect(page.locator("#messages > .answer").last).to_contain_text("noted the cancellation of order FL20251107")
        expect(page.locator(".choice:visible")).to_have_count(0)
        expect(page.locator("#text")).to_be_focused()

    def test_an_answer_is_shown_while_it_is_written_and_can_be_stopped(self):
        page = self.open()
        left = self.rig.model.left
        self.say(page, "tell me a long story")
        bubble = self.await_writing(page)
        short = len(bubble.inner_text())
        eventually("more words", lambda: len(bubble.inner_text()) > short + 20)
        page.get_by_role("button", name="Stop the answer").click()
        expect(page.locator(".finish")).to_have_text("Stopped")
        expect(page.locator("#messages > .answer .bubble")).to_contain_text("Once upon a time")
        eventually("the language model was stopped", lambda: self.rig.model.left > left)
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
        expect(self.ask(page, "hello")).to_contain_text("welcome")

    def test_a_streamed_answer_is_whole_at_its_end(self):
        page = self.open(language="zh-CN")
        self.rig.model.words = 40
        self.addCleanup(setattr, self.rig.model, "words", 240)
        self.say(page, "讲一个长长的故事")
        self.await_writing(page)
        expect(page.locator(".writing")).to_have_count(0)
        whole = "从前有一把水壶，每天晚上都会唱歌。" * 3
        expect(page.locator("#messages > .answer .bubble")).to_have_text(whole[:40])
        # Only now it is read out, and once.
        expect(page.locator("#spoken p")).to_have_text([whole[:40]])

    def test_a_reload_goes_on_in_the_same_conversation(self):
        page = self.open()
        self.ask(page, "please cancel my order")
        page.reload()
        self.await_open(page)
        expect(page.locator("#messages > .answer")).to_contain_text("Which order is it?")
        # The bot knows what it has asked.
        expect(self.ask(page, "FL20251107")).to_contain_text("May I ask why")

    def test_a_reload_while_an_answer_is_written_doesn_t_lose_it(self):
        page = self.open()
        self.rig.model.words = 60
        self.addCleanup(setattr, self.rig.model, "words", 240)
        self.say(page, "tell me a story")
        self.await_writing(page)
        page.reload()
        expect(page.locator("#messages > .answer:not(.writing) .bubble")).to_contain_text(
            "Once upon a time there was a kettle"
        )
        expect(page.locator("#messages > .asked")).to_have_count(1)

    def test_asking_again_is_another_turn(self):
        page = self.open()
        self.ask(page, "hello")
        page.get_by_role("button", name="Ask again").click()
        expect(page.locator("#messages > .answer")).to_have_count(2)
        expect(page.locator("#messages > .asked")).to_have_count(2)

    def test_an_answer_is_rated(self):
        page = self.open()
        self.ask(page, "hello")
        page.get_by_role("button", name="Good answer").click()
        expect(page.get_by_text("Thank you", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("button", name="Good answer")).to_be_focused()

    def test_a_new_conversation_knows_nothing_of_the_one_before(self):
        page = self.open()
        self.ask(page, "please cancel my order")
        page.get_by_role("button", name="New conversation").click()
        expect(page.locator("#greeting")).to_be_visible()
        self.await_open(page)
        expect(self.ask(page, "FL20251107")).not_to_contain_text("May I ask why")

    def test_a_conversation_is_forgotten_only_by_who_is_sure(self):
        page = self.open()
        self.ask(page, "hello")
        page.get_by_role("button", name="Forget this conversation").click()
        page.get_by_role("button", name="Keep").click()
        expect(page.locator("#messages > .answer")).to_be_visible()
        page.get_by_role("button", name="Forget this conversation").click()
        page.get_by_role("button", name="Forget", exact=True).click()
        expect(page.locator("#messages")).to_have_text("The conversation is forgotten.")
        page.reload()
        expect(page.get_by_text("welcome to Fengli Home")).to_have_count(0)

    def test_the_next_question_waits_for_the_answer_but_can_be_written(self):
        page = self.open()
        self.say(page, "tell me a long story")
        self.await_writing(page)
        self.say(page, "hello")
        expect(page.locator("#messages > .asked")).to_have_count(1)
        expect(page.locator("#text")).to_have_value("hello")
