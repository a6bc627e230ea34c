"""The pictures of the documents; `scripts/screenshots` calls it: pictures.py BINARY FOLDER."""

import sys
import unittest
from pathlib import Path

from case import BrowserTest
from playwright.sync_api import expect
from rig import Rig


class Pictures(BrowserTest):
    folder = None

    def take(self, page, name):
        # Without the caret, which would be there or not.
        page.screenshot(path=self.folder / f"{name}.png", caret="hide")

    def talk(self, page, *texts):
        self.await_open(page)
        for text in texts:
            self.ask(page, text)

    def test_in_english(self):
        page = self.open(height=860)
        self.talk(page, "do you wrap presents?", "please cancel my order FL20251107", "I found a cheaper one")
        self.take(page, "page-en")

    def test_in_chinese_and_dark(self):
        page = self.open(language="zh-CN", height=860, dark=True)
        self.talk(page, "能包成礼物吗？", "取消订单 FL20251107")
        page.locator("summary").nth(1).click()
        page.locator("#scroll").evaluate("list => list.scrollTo(0, 0)")
        self.take(page, "page-zh-dark")

    def test_on_a_phone_in_chinese(self):
        page = self.open(language="zh-CN", width=390, height=844, phone=True)
        self.talk(page, "你好", "取消订单 FL20251107", "下错单了")
        self.take(page, "phone-zh")

    def test_on_a_phone_in_english_and_dark(self):
        page = self.open(width=390, height=844, phone=True, dark=True)
        self.take(page, "phone-en-dark")

    def test_while_it_writes(self):
        page = self.open(width=390, height=844, phone=True)
        self.say(page, "tell me a story")
        bubble = self.await_writing(page)
        expect(bubble).to_contain_text("sang in the evening")
        self.take(page, "phone-en-writing")

    def test_in_a_shop(self):
        page = self.open(self.rig.shop.url, height=800)
        page.locator("chatbot-widget button").click()
        chat = page.frame_locator("iframe")
        self.talk(chat, "How often do I have to descale the coffee machine?")
        self.take(page, "widget-en")


def main():
    binary, folder = sys.argv[1:]
    Pictures.folder = Path(folder)
    Pictures.folder.mkdir(parents=True, exist_ok=True)
    with Rig(binary) as rig:
        BrowserTest.rig = rig
        result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(Pictures))
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
