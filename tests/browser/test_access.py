"""For everybody: a keyboard, a screen reader, a phone, an input method."""

from pathlib import Path

import axe_playwright_python
from case import BrowserTest
from playwright.sync_api import expect
from rig import eventually

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


class Access(BrowserTest):
    def check_axe(self, page):
        # The page's policy forbids scripts in it, but not what the debugger runs.
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document)")
        problems = [
            (each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in found["violations"]
        ]
        self.assertEqual(problems, [])
        self.assertGreater(len(found["passes"]), 10)

    def test_axe_finds_nothing_in_light_and_dark_in_both_languages(self):
        for dark in (False, True):
            for language, questions in (
                ("en-GB", ["how long does a refund take with WeChat Pay", "please cancel my order"]),
                ("zh-CN", ["多久可以退货", "取消订单"]),
            ):
                with self.subTest(dark=dark, language=language):
                    page = self.open(language=language, dark=dark)
                    self.check_axe(page)
                    for question in questions:
                        self.ask(page, question)
                    for summary in page.locator("summary").all():
                        summary.click()
                    self.check_axe(page)
                    page.locator("#forget").click()
                    self.check_axe(page)

    def test_axe_finds_nothing_on_a_phone_nor_where_something_failed(self):
        door = self.rig.another_door(self, CHATBOT_WORKER_MAX_BODY="64KiB")
        page = self.open(door, width=390, height=844, phone=True)
        self.await_open(page)
        self.say(page, "x" * 100_000)
        expect(page.locator(".failed")).to_be_visible()
        self.check_axe(page)

    def test_axe_finds_nothing_while_an_answer_is_written_and_where_a_connection_is_lost(self):
        page = self.open()
        self.say(page, "tell me a long story")
        self.await_writing(page)
        self.check_axe(page)
        page.get_by_role("button", name="Stop the answer").click()
        expect(page.locator(".finish")).to_be_visible()
        self.rig.kill("door")
        self.addCleanup(self.rig.await_ready)
        self.addCleanup(self.rig.start_door)
        self.say(page, "hello")
        expect(page.locator(".wait")).to_be_visible()
        expect(page.locator("#trouble")).to_be_visible()
        self.check_axe(page)

    def test_all_is_done_by_keyboard(self):
        page = self.open()
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type("first")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("second")
        expect(page.locator("#text")).to_have_value("first\nsecond")
        page.locator("#text").fill("")
        page.keyboard.type("hello")
        page.keyboard.press("Enter")
        expect(page.locator("#messages > .answer:not(.writing)")).to_have_count(1)
        expect(page.locator("#text")).to_be_focused()
        # Backwards through all that can be reached, from the field to the page's head.
        reached = []
        for _ in range(8):
            page.keyboard.press("Shift+Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.id"
                )
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            self.assertEqual(outline, "solid", reached[-1])
        below = ["Understood as “greeting”", "Ask again", "Bad answer", "Good answer"]
        self.assertEqual(reached, [*below, "Conversation", "Forget this conversation", "New conversation", "用中文"])
        page.locator("#forget").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Keep")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#sure")).to_be_hidden()
        expect(page.locator("#forget")).to_be_focused()

    def test_enter_that_ends_a_composition_doesn_t_send(self):
        page = self.open(language="zh-CN")
        page.locator("#text").fill("你好")
        for properties in ("{isComposing: true}", "{keyCode: 229}"):
            page.locator("#text").evaluate(
                "field => field.dispatchEvent(new KeyboardEvent('keydown', "
                f"{{key: 'Enter', bubbles: true, cancelable: true, ...{properties}}}))"
            )
        expect(page.locator("#text")).to_have_value("你好")
        expect(page.locator("#messages > .asked")).to_have_count(0)
        page.locator("#text").press("Enter")
        expect(page.locator("#messages > .asked")).to_have_count(1)

    def test_nothing_is_wider_than_a_phone(self):
        page = self.open(width=390, height=844, phone=True)
        self.ask(page, "W" * 300 + " https://example.com/" + "long/" * 60)
        self.ask(page, "how long does a refund take with WeChat Pay")
        for summary in page.locator("summary").all():
            summary.click()
        self.assertLessEqual(page.evaluate("document.scrollingElement.scrollWidth"), 390)
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        self.assertEqual(wide, [])
        # What is touched is large enough.
        small = page.evaluate(
            "[...document.querySelectorAll('button, summary')].map(e => [e.offsetWidth, e.offsetHeight, e.outerHTML])"
            ".filter(([width, height]) => height && (height < 40 || width < 40))"
        )
        self.assertEqual(small, [])

    def test_the_list_follows_only_who_is_at_its_end(self):
        page = self.open(height=500)
        for _ in range(3):
            self.ask(page, "how long does a refund take with WeChat Pay")
        list_ = "document.getElementById('scroll')"
        at_end = f"{list_}.scrollHeight - {list_}.scrollTop < {list_}.clientHeight + 5"
        eventually("the end is shown", lambda: page.evaluate(at_end))
        self.say(page, "tell me a long story")
        self.await_writing(page)
        page.locator("#scroll").evaluate("list => list.scrollTo(0, 0)")
        expect(page.locator("#down")).to_be_visible()
        bubble = page.locator(".writing .bubble")
        length = len(bubble.inner_text())
        eventually("more words", lambda: len(bubble.inner_text()) > length + 60)
        self.assertEqual(page.locator("#scroll").evaluate("list => list.scrollTop"), 0)
        page.locator("#down").click()
        eventually("the end is shown", lambda: page.evaluate(at_end))
        expect(page.locator("#down")).to_be_hidden()
