"""The button in somebody's page."""

from case import BrowserTest
from playwright.sync_api import expect
from test_access import AXE


class Widget(BrowserTest):
    def open_shop(self, **options):
        page = self.open(self.rig.shop.url, **options)
        return page, page.locator("chatbot-widget button"), page.frame_locator("iframe")

    def test_it_opens_answers_and_gives_the_focus_back(self):
        page, button, chat = self.open_shop()
        expect(page.locator("iframe")).to_have_count(0)
        button.focus()
        page.keyboard.press("Enter")
        expect(chat.locator("h1")).to_have_text("Fengli Home")
        expect(chat.locator("#text")).to_be_focused()
        page.keyboard.type("hello")
        page.keyboard.press("Enter")
        expect(chat.locator(".answer .bubble")).to_contain_text("welcome")
        expect(chat.locator(".understanding")).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.locator("iframe")).to_be_hidden()
        expect(button).to_be_focused()
        expect(button).to_have_attribute("aria-expanded", "false")
        page.keyboard.press("Enter")
        expect(chat.locator("#text")).to_be_focused()
        expect(chat.locator(".answer .bubble")).to_contain_text("welcome")

    def test_the_chat_goes_along_to_the_next_page(self):
        page, button, chat = self.open_shop()
        button.click()
        self.await_open(chat)
        chat.locator("#text").fill("hello")
        chat.locator("#text").press("Enter")
        expect(chat.locator(".answer .bubble")).to_contain_text("welcome")
        page.get_by_role("link").click()
        page.wait_for_url("**/?next")
        expect(chat.locator(".answer .bubble")).to_contain_text("welcome")

    def test_the_page_s_style_doesn_t_reach_it(self):
        page, button, chat = self.open_shop()
        box = button.bounding_box()
        self.assertEqual((box["width"], box["height"]), (60, 60))
        self.assertEqual(button.evaluate("button => getComputedStyle(button).backgroundColor"), "rgb(31, 111, 92)")

    def test_on_a_phone_it_fills_the_screen(self):
        page, button, chat = self.open_shop(width=390, height=844, phone=True)
        button.tap()
        expect(chat.locator("#text")).to_be_visible()
        box = page.locator("iframe").bounding_box()
        self.assertEqual((box["x"], box["y"], box["width"], box["height"]), (0, 0, 390, 844))
        chat.get_by_role("button", name="Close").tap()
        expect(page.locator("iframe")).to_be_hidden()
        expect(button).to_be_visible()

    def test_axe_finds_nothing(self):
        page, button, chat = self.open_shop()
        self.check(page)
        button.click()
        expect(chat.locator("#text")).to_be_visible()
        self.check(page)

    def check(self, page):
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document)")
        self.assertEqual([each["id"] for each in found["violations"]], [])
