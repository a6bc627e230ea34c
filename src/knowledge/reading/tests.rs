//! Files of each format, and of other people's making, as passages.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;

/// A folder of its own, removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("knowledge-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn read(&self, patterns: &[&str]) -> Result<Read, ReadErrors> {
        read(&self.0, patterns)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn questions_and_answers_of_other_peoples_files_are_read() {
    let check = |name: &str, text: &str, expected: &[(&str, &[&str], &str)]| {
        let folder = Folder::new(&format!("faq-{}", name.replace('.', "-"))).with(name, text);
        let read = folder.read(&[name]).unwrap_or_else(|errors| unreachable!("{errors}"));
        let found: Vec<(&str, Vec<&str>, &str)> = read
            .passages
            .iter()
            .map(|it| (&*it.id, it.questions.iter().map(String::as_str).collect(), it.text.as_str()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(id, questions, text)| (*id, questions.to_vec(), *text)).collect();
        assert_eq!(found, expected, "{text}");
    };
    check("a.csv", "Question,Answer\n\"Can I, too?\",Yes.\n", &[("a.csv:2", &["Can I, too?"], "Yes.")]);
    check("b.csv", "prompt,completion\nHi,Hello\n", &[("b.csv:2", &["Hi"], "Hello")]);
    check(
        "c.csv",
        "问题,答案,相似问\n怎么退货,三十天内,如何退货|退货流程\n",
        &[("c.csv:2", &["怎么退货", "如何退货", "退货流程"], "三十天内")],
    );
    check("d.tsv", "id\tquestion\tanswer\tquestions\n7\ta\tb\t\"c\nd\"\n", &[("7", &["a", "c", "d"], "b")]);
    check(
        "e.jsonl",
        "{\"question\":\"a\",\"answer\":\"b\",\"questions\":[\"c|d\"]}\n{\"q\":\"e\",\"a\":\"f\"}\n",
        &[("e.jsonl:1", &["a", "c|d"], "b"), ("e.jsonl:2", &["e"], "f")],
    );
    check("f.json", "{\"faqs\": [\n {\"question\": \"a\", \"answer\": \"b\"}\n]}", &[("f.json:2", &["a"], "b")]);
    check("g.json", "[{\"id\": 3, \"title\": \"T\", \"text\": \"x\"}]", &[("3", &[], "x")]);
    check("i.csv", "Title,Body\nWhy?,\"<p>See the <a href='x'>page</a>.</p>\"\n", &[("i.csv:2", &[], "See the page.")]);
    let chat = |text: &str| format!("{{\"messages\":[{text}{{\"role\":\"assistant\",\"content\":\"So.\"}}]}}");
    let asked = chat("{\"role\":\"system\",\"content\":\"Be kind\"},{\"role\":\"user\",\"content\":\"Why?\"},");
    check("j.jsonl", &asked, &[("j.jsonl:1", &["Why?"], "So.")]);
    check(
        "k.jsonl",
        &format!("{asked}\n{asked}\n"),
        &[("k.jsonl:1", &["Why?"], "So."), ("k.jsonl:2", &["Why?"], "So.")],
    );
    check(
        "l.json",
        "{\"count\":2,\"articles\":[{\"id\":1,\"title\":\"Why?\",\"body\":\"<p>So.</p>\",\"draft\":false},\n\
         {\"id\":2,\"title\":\"When?\",\"body\":\"<p>Now.</p>\",\"draft\":true}]}",
        &[("1", &[], "So.")],
    );
    check("h.csv", "questions;answer\na|b;c\n", &[("h.csv:2", &["a", "b"], "c")]);
}

#[test]
fn documents_of_each_format_are_found_by_patterns() {
    let folder = Folder::new("documents")
        .with("help/returns.md", "# Returns\n\nWithin 30 days.\n")
        .with("help/deep/shipping.html", "<title>Shipping</title><p>Two days.</p>")
        .with("note.txt", "First.\n\nSecond.\n")
        .with("help/.hidden.md", "no");
    let read = folder.read(&["help/*.md", "**/*.html", "note.txt", "help/returns.md"]).unwrap();
    let shown: Vec<_> = read.passages.iter().map(|it| (&*it.path, &*it.title, it.text.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("help/returns.md", "Returns", "Within 30 days."),
            ("help/deep/shipping.html", "Shipping", "Two days."),
            ("note.txt", "note", "First.\nSecond."),
        ]
    );
    assert_eq!(read.files.len(), 3);
}

#[test]
fn what_is_no_document_is_passed_over_where_a_pattern_names_it_and_refused_where_it_is_named_itself() {
    let folder = Folder::new("patterns")
        .with("docs/a.md", "# A\n\nOne.\n")
        .with("docs/deep/b.md", "# B\n\nTwo.\n")
        .with("docs/deep/_category_.json", "{\"label\": \"Deep\", \"position\": 1}")
        .with("docs/deep/c.png", [137_u8, 80])
        .with("docs/d.pdf", "%PDF");
    let read = folder.read(&["docs/**", "docs/*.pdf", "docs/a.md"]);
    assert!(read.unwrap_err().to_string().contains("docs/*.pdf: no file that is named so is a document"));
    let read = folder.read(&["docs/**", "docs/**/*"]).unwrap();
    assert_eq!(read.passages.iter().map(|it| &*it.path).collect::<Vec<_>>(), ["docs/a.md", "docs/deep/b.md"]);
    let told: Vec<_> = read.notes.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["a file that is no document was passed over (3 times, first docs/d.pdf)"]);
    for (named, told) in
        [("docs/d.pdf", "this isn't text"), ("docs/deep/_category_.json", "there is no key of answers")]
    {
        for patterns in [["docs/**", named], [named, "docs/**"]] {
            let errors = folder.read(&patterns).unwrap_err().to_string();
            assert!(errors.contains(told), "{patterns:?}: {errors}");
        }
    }
}

#[test]
fn a_page_says_what_it_is_encoded_in() {
    let page = "<html><head><meta charset=\"gb2312\"><title>退货</title></head><p>三十天</p>";
    let (bytes, ..) = encoding_rs::GBK.encode(page);
    let folder = Folder::new("gbk").with("a.html", &*bytes);
    let read = folder.read(&["a.html"]).unwrap();
    assert_eq!((&*read.passages[0].title, read.passages[0].text.as_str()), ("退货", "三十天"));
    assert!(read.notes.iter().any(|note| note.to_string().contains("GBK")));
}

#[test]
fn all_that_is_wrong_is_told_with_file_line_and_remedy() {
    let folder = Folder::new("wrong")
        .with("a.csv", "question,answer\na\nb,c,d\n")
        .with("b.json", "[{]")
        .with("c.pdf", "%PDF")
        .with("d.csv", "x,y\n1,2\n")
        .with("e.jsonl", "{\"question\":\"a\",\"answer\":\"b\"}\n{\n")
        .with("f.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n");
    let errors = folder
        .read(&["a.csv", "b.json", "c.pdf", "d.csv", "e.jsonl", "f.jsonl", "none.md", "*.nope", ".", "[x.md"])
        .unwrap_err();
    let told = errors.to_string();
    for said in [
        "a.csv: line 2: there are 1 cell where",
        "(and 1 more in this file)",
        "b.json: line 1: this isn't valid JSON",
        "c.pdf: this isn't text",
        "d.csv: line 1: the first row has to name the columns",
        "e.jsonl: line 2: this isn't valid JSON",
        "f.jsonl: line 1: a chat has to hold",
        "none.md: there is no such file",
        "*.nope: no file is named so",
        ".: this is a folder",
        "[x.md: this isn't a pattern",
    ] {
        assert!(told.contains(said), "{said}\n{told}");
    }
}

#[test]
fn what_is_passed_over_is_told() {
    let folder =
        Folder::new("notes").with("a.csv", "question,answer,rating\na,b,5\nc,,4\nd,,\n").with("empty.md", "\n");
    let read = folder.read(&["a.csv", "empty.md"]).unwrap();
    let told: Vec<_> = read.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the column 'rating' wasn't read (a.csv)",
            "a question without an answer was passed over (2 times, first at a.csv:3)",
            "there is nothing in it to find (empty.md)",
        ]
    );
}
