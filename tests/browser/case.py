"""What the tests of the page share: a browser, a page of its own for each test, and words for what a user does."""

import os
import re
import unittest

from playwright.sync_api import expect, sync_playwright

# The machine may have no other network than its own, and run as root.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000  # milliseconds

expect.set_options(timeout=PATIENCE)


class BrowserTest(unittest.TestCase):
    rig = None  # set by `run`

    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()

    def open(self, url=None, *, language="en-GB", width=1280, height=800, dark=False, phone=False, **options):
        """A page that nobody has opened before. An error of its own, or of its policy, fails the test."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            has_touch=phone,
            is_mobile=phone,
            **options,
        )
        self.addCleanup(context.close)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: "Content Security Policy" in line.text and errors.append(line.text))
        self.addCleanup(lambda: self.assertEqual(errors, []))
        page.goto(url or self.rig.door_url)
        if url is None:
            self.await_open(page)
        return page

    def await_open(self, page):
        expect(page.locator("#status")).to_have_class("ready")

    def say(self, page, text):
        page.locator("#text").fill(text)
        page.locator("#text").press("Enter")

    def ask(self, page, text):
        """Says it, and waits for the answer; returns its bubble."""
        answers = page.locator("#messages > .answer:not(.writing)")
        before = answers.count()
        self.say(page, text)
        expect(answers).to_have_count(before + 1)
        return answers.last.locator(".bubble")

    def await_writing(self, page):
        """Until a streamed answer has some words."""
        bubble = page.locator("#messages > .writing .bubble")
        expect(bubble).to_have_text(re.compile(r"\S{3}"))
        return bubble
