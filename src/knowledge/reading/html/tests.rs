//! What is read of a page, and what isn't.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    let passages = read(text).passages(&"a.html".into());
    let shown = passages.iter().map(|it| format!("{}:{}: {}", it.title, it.line, it.text));
    shown.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_page_is_what_it_says() {
    fn check(text: &str, expected: &str) {
        assert_eq!(shown(text), expected, "{text}");
    }
    check("<title>T &amp; U</title>\n<nav>Menu</nav>\n<p>One\n two&nbsp;<b>three</b>.</p>", "T & U:3: One two three.");
    check("<h1>A</h1><script>if (1<2) { '</p>' }</script><style>p{}</style><p>x", "A:1: x");
    check("<h1>A</h1><ul><li><p>one</p><li>two</ul>", "A:1: - one\n- two");
    check(
        "<h1>A</h1><table><tr><th>Size</th><th>Price</th></tr><tr><td>S</td><td>5</td></tr></table>",
        "A:1: Size: S; Price: 5",
    );
    check("<h1>A</h1><pre>a\n  b</pre>", "A:1: a\n  b");
    check("<h1>A</h1><form><select><option>x</select></form><p>y<br>z", "A:1: y\nz");
    check("<h1>退货</h1><div>三十天<span>内</span></div>", "退货:1: 三十天内");
    check("a < b", "a:1: a < b");
    check("", "");
}

#[test]
fn a_button_is_text_where_it_names_what_stands_below_it() {
    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).text(), expected, "{text}");
    }
    check("<h1>A</h1><h2><button>Do you ship?</button></h2><div>Yes.</div>", "A\n\nDo you ship?\nYes.");
    check("<h1>A</h1><details><summary><button>Why?</button></summary>So.</details>", "A\nWhy?\n\nSo.");
    check("<h1>A</h1><dl><dt><button>Why?</button><dd>So. <button>Copy</button></dl>", "A\nWhy?\n\nSo.");
    check("<h1>A</h1><button>Follow</button><p>x</p>", "A\nx");
}

#[test]
fn what_only_leads_about_the_site_is_passed_over() {
    fn check(text: &str, title: &str, expected: &str) {
        let document = read(text);
        assert_eq!(document.title.clone().unwrap_or_default(), title, "{text}");
        assert_eq!(document.text(), expected, "{text}");
    }
    check("<h1>A</h1><ol class=\"x breadcrumbs\"><li>Home</ol><p>x</p>", "", "A\nx");
    check("<h1>A</h1><div role=navigation><div>Home</div>B</div><div>x</div>", "", "A\nx");
    check("<a class=\"skip-navigation\" href=\"#m\">Skip to main content</a><h1>A</h1><p>x</p>", "", "A\nx");
    check("<h1>A</h1><div class=\"skipper\">x</div>", "", "A\nx");
    // Of a page's frame nothing but its title is read.
    check("<title>T</title><ul><li>Menu</ul><main><h2>B</h2><p>x</p></main><p>Imprint", "T", "B\nx");
    check("<title>T</title><div>Menu</div><article><p>one two three</p></article>", "T", "one two three");
    // Where a program fills its page later there is no text in it; cards beside a text aren't the text.
    check("<title>T</title><main></main><p>x</p>", "T", "x");
    check("<title>T</title><p>one two three four</p><article>x</article>", "T", "one two three four\n\nx");
    check("<title>T</title><article>x</article><article>y</article>", "T", "x\n\ny");
}

#[test]
fn a_value_that_begins_with_a_tag_is_html() {
    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(text_of(value).as_deref(), expected, "{value}");
    }
    check("<p>Visit the <a href='x'>returns page</a>.</p>", Some("Visit the returns page."));
    check(" <p>One&nbsp;two:</p><ul><li>a</li><li>b</li></ul>", Some("One two:\n\n- a\n- b"));
    check("<h2>退货</h2><p>三十天</p>", Some("退货\n三十天"));
    check("<div><img src=x></div>", Some(""));
    check("less < more", None);
    check("<your name> and </so on>", None);
    check("Use <b>bold</b>", None);
    check("<b", None);
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "(<(/?)(p|h1|td|tr|li|script|title|table|nav|pre)>|a| |<|&lt;|\n){0,40}") {
        let _ = shown(&text);
    }
}
