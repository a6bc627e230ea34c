"""A bot's text as it is shown; and never as HTML."""

from case import BrowserTest


class Text(BrowserTest):
    def check(self, cases, cited=0):
        page = self.open()
        for text, expected in cases.items():
            shown = page.evaluate(
                "async ([text, cited]) => {const {textNodes} = await import('./page/text.js');"
                " const all = document.createElement('div');"
                " all.append(...textNodes(text, cited)); return all.innerHTML}",
                [text, cited],
            )
            self.assertEqual(shown, expected, text)

    def test_paragraphs_lists_and_marks(self):
        self.check(
            {
                "": "",
                "one\ntwo\n\nthree": "<p>one<br>two</p><p>three</p>",
                "**bold** and `code`": "<p><strong>bold</strong> and <code>code</code></p>",
                "2 * 3 * 4 and 2 ** 3": "<p>2 * 3 * 4 and 2 ** 3</p>",
                "what it needs:\n- a\n\n- b\nend": "<p>what it needs:</p><ul><li>a</li><li>b</li></ul><p>end</p>",
                "2. b\n3. c": '<ol start="2"><li>b</li><li>c</li></ol>',
                "1、甲\n2、乙": '<ol start="1"><li>甲</li><li>乙</li></ol>',
                "1.5 kg": "<p>1.5 kg</p>",
                "# Head": "<p><strong>Head</strong></p>",
                "```\n<b>\n**x**\n```": '<pre tabindex="0"><code>&lt;b&gt;\n**x**</code></pre>',
                "```\nnot closed yet": '<pre tabindex="0"><code>not closed yet</code></pre>',
            }
        )

    def test_nothing_is_taken_for_html(self):
        self.check(
            {
                "<img src=x onerror=alert(1)>": "<p>&lt;img src=x onerror=alert(1)&gt;</p>",
                "**<script>x</script>**": "<p><strong>&lt;script&gt;x&lt;/script&gt;</strong></p>",
                "[x](javascript:alert(1))": "<p>[x](javascript:alert(1))</p>",
                "&lt;b&gt;": "<p>&amp;lt;b&amp;gt;</p>",
            }
        )

    def test_links_are_those_of_http_alone_and_end_where_the_sentence_does(self):
        def link(address, title):
            return f'<a href="{address}" target="_blank" rel="noopener noreferrer nofollow">{title}</a>'

        self.check(
            {
                "see https://example.com/a.": f"<p>see {link('https://example.com/a', 'https://example.com/a')}.</p>",
                "见https://example.com/a，谢谢": f"<p>见{link('https://example.com/a', 'https://example.com/a')}，谢谢</p>",
                "[shop](https://example.com/)": f"<p>{link('https://example.com/', 'shop')}</p>",
                "[z](https://e.com/a_(b)) c)": f"<p>{link('https://e.com/a_(b)', 'z')} c)</p>",
                "(https://e.com/a_(b)).": f"<p>({link('https://e.com/a_(b)', 'https://e.com/a_(b)')}).</p>",
                "看https://例子.cn/路径。": "<p>看"
                + link("https://xn--fsqu00a.cn/%E8%B7%AF%E5%BE%84", "https://例子.cn/路径")
                + "。</p>",
                "https://e.com/a/退货，见": f"<p>{link('https://e.com/a/%E9%80%80%E8%B4%A7', 'https://e.com/a/退货')}，见</p>",
                "开https://e.com/然后": f"<p>开{link('https://e.com/', 'https://e.com/')}然后</p>",
                "ftp://example.com": "<p>ftp://example.com</p>",
                "https://": "<p>https://</p>",
            }
        )

    def test_a_source_s_address_that_isn_t_of_http_is_no_link(self):
        page = self.open()
        shown = page.evaluate(
            "async () => {const {link} = await import('./page/text.js');"
            " return ['javascript:alert(1)', 'data:text/html,x', '/etc', 'https://example.com/'].map("
            " (address) => { const made = link(address, 'x'); return made.href ?? made })}"
        )
        self.assertEqual(shown, ["x", "x", "x", "https://example.com/"])

    def test_a_text_is_written_from_the_side_of_its_script(self):
        page = self.open()
        direction = "element => getComputedStyle(element).direction"
        page.locator("#text").fill("مرحبا")
        self.assertEqual(page.locator("#text").evaluate(direction), "rtl")
        page.locator("#text").press("Enter")
        asked = page.locator("#messages > .asked .bubble")
        self.assertEqual(asked.evaluate(direction), "rtl")
        self.assertEqual(page.locator("#messages > .answer .bubble").first.get_attribute("dir"), "auto")

    def test_citations_are_those_of_sources_that_there_are(self):
        self.check({"so[1] and[3]": "<p>so<sup>[1]</sup> and[3]</p>"}, cited=2)
