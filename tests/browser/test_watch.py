"""The page to watch a worker, while the bot works."""
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import axe_playwright_python
import pika
from case import BrowserTest
from playwright.sync_api import expect
from rig import eventually

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
GONE = 20_000  # milliseconds until a worker that was killed isn't listed any more


class Watch(BrowserTest):
    def watch(self, worker="worker-0", **options):
        page = self.open(f"http://127.0.0.1:{self.rig.health[worker]}/", **options)
        expect(page.locator("#status")).to_have_class("ready")
        return page

    def everywhere(self):
        """The pages of all workers: which of them gets a message is the broker's choice."""
        return [self.watch(worker) for worker in self.rig.health]

    def numbers(self, pages, selector):
        texts = [text for page in pages for text in page.locator(selector).all_inner_texts()]
        return sum(int(re.sub(r"\D", "", text) or 0) for text in texts)

    def answers(self, pages):
        notes = [page.locator("#answers-note").inner_text() for page in pages]
        return sum(int(re.match(r"[\d,]+", note)[0].replace(",", "")) for note in notes)

    def looks(self, page):
        """How often it has asked."""
        return page.evaluate("performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/metrics')).length")

    def post(self, text):
        request = urllib.request.Request(
            f"{self.rig.door_url}api/messages", json.dumps({"body": text}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def publish(self, body, **properties):
        with pika.BlockingConnection(pika.URLParameters(self.rig.amqp_url)) as connection:
            properties = pika.BasicProperties(content_type="application/json", **properties)
            connection.channel().basic_publish(self.rig.exchange, "request", body, properties)

    def test_a_request_raises_the_counts_and_no_text_of_it_is_shown(self):
        pages = self.everywhere()
        before = self.answers(pages)
        intents = [self.post(f"can I return the kettle s3cret-{number}")["intent"]["name"] for number in range(4)]
        eventually("four more answers", lambda: self.answers(pages) >= before + 4)
        for intent in intents:
            eventually(intent, lambda: any(page.locator("#intents").get_by_text(intent, exact=True).count() for page in pages))
        # Each look tells a rate, of which one at least has seen them.
        eventually("rates", lambda: all(re.fullmatch(r"[\d.,]+/s", page.locator("#requests").inner_text()) for page in pages))
        for page in pages:
            self.assertNotIn("s3cret", page.content())
            for path in ("metrics", "workers", "queues"):
                self.assertNotIn("s3cret", page.evaluate(f"fetch('{path}').then(answer => answer.text())"))

    def test_a_dead_letter_appears_with_the_command_that_lists_it(self):
        pages = self.everywhere()
        before = self.numbers(pages, "#dead .count")
        self.publish(b"{}", message_id="watched")
        eventually("one more dead letter", lambda: self.numbers(pages, "#dead .count") == before + 1)
        commands = {command for page in pages for command in page.locator("#dead code").all_inner_texts()}
        self.assertIn("chatbot-worker dead list --reason invalid_message", commands)
        command = [self.rig.binary, *"dead list --reason invalid_message".split()]
        listed = subprocess.run(command, env=self.rig.environment(), check=True, capture_output=True, text=True).stdout
        self.assertIn("invalid_message", listed)
        page = next(page for page in pages if page.locator("#dead code").count())
        button = page.locator("#dead button").first
        button.focus()
        page.keyboard.press("Enter")
        self.assertIn(page.evaluate("String(getSelection())"), commands)
        # What has the focus keeps it while the page goes on.
        seen = self.looks(page)
        eventually("two more looks", lambda: self.looks(page) >= seen + 2)
        expect(button).to_be_focused()

    def test_what_waits_is_told_and_not_of_dead_letters(self):
        page = self.watch()
        expect(page.locator("#queues")).to_contain_text(f"{self.rig.exchange}.requests")
        expect(page.locator("#queues")).to_contain_text(f"{self.rig.exchange}.conversation.*")
        expect(page.locator("#queues-note")).to_have_text(re.compile(r"What the broker said .* ago"))
        self.assertNotIn(".dead", page.locator("#queues").inner_text())

    def test_feedback_is_counted_by_intent(self):
        pages = self.everywhere()
        before = self.numbers(pages, "#feedback td:nth-child(2)")
        chat = self.open()
        self.ask(chat, "how long can I return things")
        chat.get_by_role("button", name="Good answer").click()
        eventually("one more", lambda: self.numbers(pages, "#feedback td:nth-child(2)") == before + 1)
        intents = " ".join(page.locator("#feedback").inner_text() for page in pages)
        self.assertNotIn("not known", intents)

    def test_a_worker_that_is_killed_disappears(self):
        page = self.watch("worker-0")
        rows = page.locator("#workers tr")
        expect(rows).to_have_count(2)
        expect(page.locator("#workers .here")).to_have_count(1)
        self.rig.kill("worker-1")
        self.addCleanup(self.rig.await_ready)
        self.addCleanup(self.rig.start_worker, "worker-1")
        expect(rows).to_have_count(1, timeout=GONE)
        expect(page.locator("#workers .here")).to_have_count(1)

    def test_a_worker_that_is_away_is_told_and_comes_back_without_a_rate_below_zero(self):
        page = self.watch("worker-1")
        for _ in range(4):
            self.post("hello")
        self.rig.kill("worker-1")
        expect(page.locator("#status")).to_have_text(re.compile("Not reachable since"))
        expect(page.locator("#trouble")).to_be_visible()
        self.rig.start_worker("worker-1")
        expect(page.locator("#status")).to_have_class("ready", timeout=60_000)
        expect(page.locator("#trouble")).to_be_hidden()
        for number in ("#requests", "#answers"):
            expect(page.locator(number)).to_have_text(re.compile(r"^[\d.,]+/s$"))
        self.rig.await_ready()

    def test_counters_that_begin_anew_and_quantiles(self):
        page = self.watch()
        found = page.evaluate("""async () => {
            const [{ History }, { read, by }] = await Promise.all([import("./page/history.js"), import("./page/metrics.js")]);
            const counts = new History();
            const looks = ["c_total 100", "c_total 110", null, "c_total 4"];
            const rates = looks.map((text, place) => {
                counts.add(place * 2000, text && read(text));
                return counts.rate("c_total");
            });
            const times = new History();
            const buckets = (...counts) => read(["1", "2", "+Inf"].map((le, place) => `t_bucket{le="${le}"} ${counts[place]}`).join("\\n"));
            times.add(0, buckets(7, 7, 7));
            const none = times.quantile("t", 0.5);
            times.add(1000, buckets(57, 107, 107));
            return {
                rates, line: counts.rates("c_total").map(({ value }) => value), none,
                half: times.quantile("t", 0.5), most: times.quantile("t", 0.99),
                labels: by(read('c{x="q\\\\"\\\\\\\\\\\\n}",y="1"} 5\\nc{x="b"} 3\\n# c{x="no"} 1'), "c", "x"),
            };
        }""")
        self.assertEqual(found["rates"], [None, 5, 5, 14 / 6])
        self.assertEqual(found["line"], [5, None, None])
        self.assertEqual((found["none"], found["half"], found["most"]), (None, 1, 1.98))
        self.assertEqual(found["labels"], [['q"\\\n}', 5], ["b", 3]])

    def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(self):
        self.publish(b"{}")
        self.post("hello")
        for dark in (False, True):
            for language in ("en-GB", "zh-CN"):
                for width, height in ((1280, 900), (390, 844)):
                    with self.subTest(dark=dark, language=language, width=width):
                        page = self.watch(language=language, dark=dark, width=width, height=height)
                        expect(page.locator("#workers tr")).not_to_have_count(0)
                        expect(page).to_have_title("Bot at work" if language == "en-GB" else "机器人运行状况")
                        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
                        page.evaluate(AXE)
                        found = page.evaluate("axe.run(document)")
                        problems = [(each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
                        self.assertEqual(problems, [])
                        page.context.close()

    def test_the_language_is_switched_by_keyboard(self):
        page = self.watch()
        page.keyboard.press("Tab")
        expect(page.locator("#language")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("机器人运行状况")
        self.assertEqual(page.evaluate("document.documentElement.lang"), "zh")
