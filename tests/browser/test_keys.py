"""A door that asks for a key."""

import hashlib

from case import BrowserTest
from playwright.sync_api import expect

KEY = "cbk_a-key-of-these-tests-alone"


class Keys(BrowserTest):
    def setUp(self):
        """A second door on the same bot, with one public key for the shop's page."""
        keys = self.rig.folder / "keys.toml"
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        origin = self.rig.shop.url.rstrip("/")
        keys.write_text(f'[keys.shop]\nhash = "sha256:{digest}"\npublic = true\norigins = ["{origin}"]\nrate = 1000\n')
        self.door = self.rig.another_door(self, CHATBOT_DOOR_KEYS_PATH=str(keys))

    def test_a_page_without_a_key_says_that_it_isn_t_let_in(self):
        page = self.open(self.door)
        expect(page.locator("#trouble")).to_have_text("This page isn't allowed to talk to the assistant.")
        expect(page.locator("#status")).to_have_text("Not available")
        expect(page.locator("#text")).to_be_disabled()

    def test_the_console_says_why_a_page_isn_t_let_in(self):
        page = self.open(self.door)
        said = []
        page.on("console", lambda line: said.append(line.text))
        for address in [self.door, f"{self.door}?key=cbk_nonsense"]:
            said.clear()
            page.goto(address)
            expect(page.locator("#trouble")).to_have_text("This page isn't allowed to talk to the assistant.")
            self.assertRegex("\n".join(said), r"the door refuses this page \(unauthorized\): \w+")

    def test_a_page_with_its_key_talks_and_goes_on_after_a_reload(self):
        page = self.open(f"{self.door}?key={KEY}")
        self.await_open(page)
        expect(self.ask(page, "please cancel my order")).to_contain_text("Which order is it?")
        page.reload()
        self.await_open(page)
        expect(self.ask(page, "FL20251107")).to_contain_text("May I ask why")

    def test_a_conversation_that_the_door_didn_t_make_is_left_for_a_new_one(self):
        page = self.open(f"{self.door}?key={KEY}")
        self.await_open(page)
        place = f"chatbot / {KEY}"
        page.goto(f"{self.door}livez")
        page.evaluate(
            "place => sessionStorage.setItem(place, JSON.stringify({id: 'c-of-somebody-else', turns: []}))", place
        )
        page.goto(f"{self.door}?key={KEY}")
        self.await_open(page)
        expect(self.ask(page, "hello")).to_contain_text("welcome")
        self.assertNotIn("somebody-else", page.evaluate("place => sessionStorage.getItem(place)", place))

    def test_a_widget_brings_its_key_along(self):
        shop = self.rig.shop
        self.addCleanup(setattr, shop, "door", shop.door)
        self.addCleanup(setattr, shop, "key", "")
        shop.door, shop.key = self.door, KEY
        page = self.open(shop.url)
        page.locator("chatbot-widget button").click()
        chat = page.frame_locator("iframe")
        self.await_open(chat)
        expect(self.ask(chat, "hello")).to_contain_text("welcome")
