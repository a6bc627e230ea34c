//! Who is admitted, and what a file of keys may hold.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::time::advance;

use super::*;

const HASH: &str = "hash = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";

/// A file of keys, which is removed at the end.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        let written = Self(std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7())));
        written.write(text, 60);
        written
    }

    /// As if it was written some seconds ago.
    fn write(&self, text: impl AsRef<[u8]>, ago: u64) {
        fs::write(&self.0, text).unwrap();
        let file = fs::File::options().write(true).open(&self.0).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
    }

    fn keys(&self) -> Keys {
        Keys::open(&self.0).unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn entry(name: &str, key: &str, kind: EntryKind, rate: Option<u32>) -> Entry {
    let rate = rate.map(|rate| NonZeroU32::new(rate).unwrap());
    Entry { name: name.into(), hash: KeyHash::of(key), kind, rate }
}

fn secret(name: &str, key: &str) -> Entry {
    entry(name, key, EntryKind::Secret { names_senders: false }, None)
}

fn public(name: &str, key: &str) -> Entry {
    entry(name, key, EntryKind::Public { origins: vec!["https://shop.example".parse().unwrap()] }, Some(2))
}

fn toml_of(entries: &[Entry]) -> String {
    entries.iter().map(Entry::to_toml).collect()
}

const NOBODY: Presented<'_> = Presented { bearer: None, in_url: None, origin: None, address: HOME };
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn bearer(key: &str) -> Presented<'_> {
    Presented { bearer: Some(key), ..NOBODY }
}

fn name_of(admitted: Result<Caller, Refusal>) -> Result<String, Refusal> {
    admitted.map(|caller| caller.name.unwrap_or_default().to_string())
}

#[test]
fn what_is_written_is_what_is_read() {
    let origins = ["https://a.example", "http://localhost:5173"].map(|origin| origin.parse().unwrap()).to_vec();
    let entries = [
        secret("shop", "1"),
        entry("商店 \"\\1", "2", EntryKind::Secret { names_senders: true }, Some(1)),
        entry("page", "3", EntryKind::Public { origins }, Some(1_000_000)),
        public("a.b", "4"),
    ];
    let read = reader::read("keys.toml", &toml_of(&entries)).unwrap();
    assert_eq!(read.len(), entries.len());
    for entry in &entries {
        let found = read.iter().find(|read| read.name == entry.name).unwrap();
        assert!(bool::from(found.hash.is(&entry.hash)), "{}", entry.name);
        assert_eq!((&found.kind, found.rate), (&entry.kind, entry.rate), "{}", entry.name);
    }
    assert_eq!(reader::read("keys.toml", "").unwrap().len(), 0);
    assert_eq!(reader::read("keys.toml", "[keys]\n").unwrap().len(), 0);
}

#[test]
fn each_fault_is_told_with_its_line_and_a_remedy_and_without_a_value() {
    fn check(text: &str, expected: &[&str]) {
        let told = reader::read("keys.toml", text).map(|_| ()).unwrap_err().to_string();
        let faults: Vec<&str> = told.lines().skip(1).collect();
        assert_eq!(faults.len(), expected.len(), "{text}: {told}");
        for (fault, expected) in faults.iter().zip(expected) {
            let (line, remedy) = expected.split_once('|').unwrap();
            assert!(fault.starts_with(&format!("  line {line}")) && fault.contains(remedy), "{text}: {told}");
        }
        assert!(told.starts_with("keys.toml has ") && !told.contains("s3cret"), "{told}");
    }
    let shop = |more: &str| format!("# mine\n[keys.shop]\n{HASH}\n{more}\n");
    check("[keys.shop]\n", &["1: key 'shop': it has no hash|`chatbot-worker key new`"]);
    check("[keys.shop]\nhash = \"s3cret\"\n", &["2: key 'shop': hash must be|has no place in this file"]);
    check("[keys.shop]\nhash = 1\n", &["2: key 'shop': |must be a text in quotes"]);
    check(&shop("key = \"s3cret\""), &["4: key 'shop': there is no field 'key'|hash, public, origins"]);
    check(&shop("rate = 0"), &["4: key 'shop': |from 1 to 1000000"]);
    check(&shop("rate = \"s3cret\""), &["4: key 'shop': |from 1 to 1000000"]);
    check(&shop("rate = 1000001"), &["4: key 'shop': |from 1 to 1000000"]);
    check(&shop("public = true"), &["4: key 'shop': |write such as origins = [\"https"]);
    check(&shop("public = \"yes\""), &["4: key 'shop': public must be|true or false, without quotes"]);
    check(&shop("origins = [\"https://a\"]"), &["4: key 'shop': |write public = true"]);
    check(&shop("public = true\norigins = []"), &["5: key 'shop': |must be a list such as"]);
    check(&shop("public = true\norigins = \"https://a\""), &["5: key 'shop': |must be a list such as"]);
    check(
        &shop("public = true\norigins = [1, \"https://a/s3cret\"]"),
        &[
            "5: key 'shop': an origin must be|a text in quotes",
            "5: key 'shop': an origin ends|https://shop.example.com",
        ],
    );
    check(&shop("public = true\norigins = [\"*\"]"), &["5: key 'shop': |every page of the web"]);
    check(
        &shop("public = true\norigins = [\"https://a\"]\nnames_senders = true"),
        &["6: key 'shop': |take names_senders"],
    );
    check(&format!("{}[keys.b]\n{HASH}\n", shop("")), &["5: key 'b': its hash is that of 'shop'|a key for each"]);
    check(&format!("[shop]\n{HASH}\n"), &["1: there is nothing called 'shop'|[keys.NAME]"]);
    check(&format!("[keys.商店]\n{HASH}\n"), &["1: this isn't valid TOML|stands in quotes"]);
    check("keys = \"s3cret\"\n", &["1: keys must be tables|[keys.NAME]"]);
    check("[keys]\nshop = \"s3cret\"\n", &["2: key 'shop': a key is a table|[keys.NAME]"]);
    check(&format!("[keys.\"\"]\n{HASH}\n"), &["1: key '': |1 to 64 characters"]);
    check(&format!("[keys.\"a\\n\"]\n{HASH}\n"), &["1: key 'a ': |without line breaks"]);
    check("[keys.shop]\nhash = \"s3cret\nrate = 3\n", &["2: |this isn't valid TOML"]);
    check(&format!("{}[keys.shop]\n{HASH}", shop("")), &["5: |duplicate key", "6: |duplicate key"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_name() {
    fn check(path: &Path, fault: &str) {
        let told = Keys::open(path).unwrap_err().to_string();
        assert!(told.contains(fault) && told.contains(&path.display().to_string()), "{told}");
    }
    check(Path::new("/nothing/keys.toml"), "can't be read");
    check(&std::env::temp_dir(), "is no file");
    let written = Written::new("");
    written.write(b"\xff\xfe[\0", 60);
    check(&written.0, "save it as UTF-8");
    // A byte order mark is no part of the text.
    written.write(format!("\u{feff}[keys.shop]\r\n{HASH}\r\n"), 60);
    assert_eq!(name_of(written.keys().admit(&bearer("abc"))), Ok("shop".into()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_holds_from_the_next_second_on_and_a_broken_one_never() {
    let written = Written::new(&toml_of(&[secret("old", "1")]));
    let keys = written.keys();
    let check = |old, new| {
        let admitted = ["1", "2"].map(|key| keys.admit(&bearer(key)).is_ok());
        assert_eq!(admitted, [old, new]);
    };
    check(true, false);
    written.write(toml_of(&[secret("new", "2")]), 50);
    // It is looked at once a second.
    check(true, false);
    advance(Duration::from_secs(1)).await;
    check(false, true);
    for broken in ["[keys.shop]\n", "x", "\u{0}"] {
        written.write(broken, 40);
        advance(Duration::from_secs(1)).await;
        check(false, true);
    }
    fs::remove_file(&written.0).unwrap();
    advance(Duration::from_secs(1)).await;
    check(false, true);
    written.write(toml_of(&[secret("old", "1"), secret("new", "2")]), 30);
    advance(Duration::from_secs(1)).await;
    check(true, true);
    // What is being written is looked at again later: here a file that was emptied, to be filled anew.
    written.write("", 0);
    advance(Duration::from_secs(1)).await;
    check(true, true);
    // The last key was taken out.
    written.write("", 20);
    advance(Duration::from_secs(1)).await;
    check(false, false);
    // A time that is to come is no reason to wait.
    written.write(toml_of(&[secret("old", "1")]), 0);
    let file = fs::File::options().write(true).open(&written.0).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    advance(Duration::from_secs(1)).await;
    check(true, false);
}

#[test]
fn each_shows_the_key_that_it_has_where_it_may_stand() {
    let written = Written::new(&toml_of(&[secret("program", "s"), public("page", "p")]));
    let keys = written.keys().with_origins(vec!["https://desk.example".parse().unwrap()]);
    let check = |bearer, in_url, origin, expected: Result<&str, Refusal>| {
        let presented = Presented { bearer, in_url, origin, address: HOME };
        let found = name_of(keys.admit(&presented));
        assert_eq!(found, expected.map(str::to_owned), "{bearer:?} {in_url:?} {origin:?}");
    };
    check(None, None, None, Err(Refusal::Missing));
    check(Some(""), Some(""), None, Err(Refusal::Missing));
    check(Some("x"), None, None, Err(Refusal::Wrong));
    check(Some("s "), None, None, Err(Refusal::Wrong));
    check(Some("s"), None, None, Ok("program"));
    check(None, Some("s"), None, Err(Refusal::NotPublic));
    check(Some(""), Some("p"), None, Ok("page"));
    check(Some("p"), None, None, Ok("page"));
    check(None, Some("p"), None, Ok("page"));
    // What is in the header counts, right or wrong.
    check(Some("s"), Some("x"), None, Ok("program"));
    check(Some("x"), Some("p"), None, Err(Refusal::Wrong));
    // Pages of other sites: a public key's own for that key, the door's for a secret one.
    check(None, Some("p"), Some("https://shop.example"), Ok("page"));
    check(None, Some("p"), Some("https://desk.example"), Err(Refusal::Origin));
    check(None, Some("p"), Some("null"), Err(Refusal::Origin));
    check(None, Some("p"), Some(""), Err(Refusal::Origin));
    check(Some("s"), None, Some("https://desk.example"), Ok("program"));
    check(Some("s"), None, Some("https://shop.example"), Err(Refusal::Origin));
    for (origin, expected) in [
        ("https://shop.example", true),
        ("https://desk.example", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        assert_eq!(keys.origin_allowed(origin), expected, "{origin}");
    }
    assert!(keys.are_required());
}

#[test]
fn without_keys_all_may_ask_but_pages_of_other_sites() {
    let keys = Keys::off().with_origins(vec!["https://desk.example".parse().unwrap()]);
    let from = |origin| keys.admit(&Presented { origin, ..bearer("whatever") });
    for origin in [None, Some("https://desk.example")] {
        let caller = from(origin).unwrap();
        assert_eq!((caller.name.clone(), caller.is_public, caller.names_senders), (None, false, true));
        (0..1000).for_each(|_| assert_eq!(caller.take(), Ok(())));
        let one = caller.new_conversation().unwrap();
        assert!(caller.may_speak_in("1") && caller.may_speak_in(&one) && one.len() == 24, "{one}");
        assert_ne!(one, caller.new_conversation().unwrap());
    }
    for origin in ["https://evil.example", "null", ""] {
        assert_eq!(from(Some(origin)).map(|_| ()), Err(Refusal::Origin), "{origin}");
    }
    assert!(!keys.are_required() && keys.entries().is_empty());
}

#[test]
fn a_public_key_speaks_only_in_conversations_that_were_made_for_it() {
    let written = Written::new(&toml_of(&[secret("program", "s"), public("page", "p"), public("other", "q")]));
    let callers = |keys: &Keys| ["s", "p", "q"].map(|key| keys.admit(&bearer(key)).unwrap());
    let [program, page, other] = callers(&written.keys());
    assert_eq!([program.is_public, page.is_public], [false, true]);
    let id = page.new_conversation().unwrap();
    assert_ne!(id, page.new_conversation().unwrap());
    assert!(page.may_speak_in(&id) && !other.may_speak_in(&id), "{id}");
    // Any door with the same file knows it.
    assert!(callers(&written.keys())[1].may_speak_in(&id));
    // Each character counts, and so does the length.
    for at in 0..id.len() {
        let mut changed = id.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!page.may_speak_in(std::str::from_utf8(&changed).unwrap()), "{at}");
        assert!(!page.may_speak_in(&id[..at]), "{at}");
    }
    let (random, tag) = id.split_once('.').unwrap();
    for wrong in
        [&format!("{id}A"), &format!("{id}."), random, &format!("{random}."), &format!(".{tag}"), "1", "c-.", "中"]
    {
        assert!(!page.may_speak_in(wrong), "{wrong}");
        assert!(program.may_speak_in(wrong), "{wrong}");
    }
    assert!(!page.may_speak_in(&program.new_conversation().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_key_and_those_of_a_public_one_by_address() {
    let mut program = secret("program", "s");
    program.rate = NonZeroU32::new(2);
    let written = Written::new(&toml_of(&[program, public("page", "p"), public("other", "q"), secret("free", "f")]));
    let keys = written.keys();
    let take = |key: &str, address: &str| {
        let presented = Presented { address: address.parse().unwrap(), ..bearer(key) };
        keys.admit(&presented).and_then(|caller| caller.take()).is_ok()
    };
    // A key's requests together, wherever they come from.
    assert_eq!(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|from| take("s", from)), [true, true, false]);
    // A public key's for each address; all of a line of IPv6 are one.
    for from in [["192.0.2.1"; 3], ["192.0.2.2"; 3], ["2001:db8::1", "2001:db8::2", "2001:db8::3"]] {
        assert_eq!(from.map(|from| take("p", from)), [true, true, false], "{from:?}");
    }
    assert!(take("q", "192.0.2.1"), "another key has its own");
    assert!((0..1000).all(|_| take("f", "192.0.2.1")), "no rate, no limit");
    let caller = keys.admit(&bearer("s")).unwrap();
    let Err(Refusal::Rate(wait)) = caller.take() else { unreachable!("it has used up its rate") };
    advance(wait).await;
    // To be admitted isn't a request.
    (0..100).for_each(|_| assert!(keys.admit(&bearer("s")).is_ok()));
    assert_eq!((caller.take(), caller.take().is_err()), (Ok(()), true));
}

#[test]
fn a_public_key_has_a_limit_whatever_the_file_says() {
    let kind = EntryKind::Public { origins: vec!["https://shop.example".parse().unwrap()] };
    let written = Written::new(&toml_of(&[entry("page", "p", kind, None)]));
    let caller = written.keys().admit(&bearer("p")).unwrap();
    assert!((0..30).all(|_| caller.take().is_ok()));
    assert!(caller.take().is_err());
}

#[tokio::test(start_paused = true)]
async fn who_tries_keys_has_to_wait_and_others_have_not() {
    let written = Written::new(&toml_of(&[secret("program", "s"), public("page", "p")]));
    let keys = written.keys();
    (0..10).for_each(|i| assert_eq!(name_of(keys.admit(&bearer(&format!("x{i}")))), Err(Refusal::Wrong)));
    let Err(Refusal::Locked(wait)) = keys.admit(&bearer("x")) else { unreachable!("the eleventh") };
    // Nobody learns there now whether a key is right.
    assert_eq!(name_of(keys.admit(&bearer("s"))), Err(Refusal::Locked(wait)));
    // A page's key is known to all, and others there have it.
    assert_eq!(name_of(keys.admit(&bearer("p"))), Ok("page".into()));
    let elsewhere = Presented { address: "192.0.2.2".parse().unwrap(), ..bearer("s") };
    assert_eq!(name_of(keys.admit(&elsewhere)), Ok("program".into()));
    advance(wait).await;
    assert_eq!(name_of(keys.admit(&bearer("s"))), Ok("program".into()));
}

#[test]
fn nothing_that_is_told_holds_a_key() {
    let written = Written::new(&toml_of(&[secret("program", "s3cret")]));
    let keys = written.keys();
    let hash = KeyHash::of("s3cret").to_string();
    let caller = keys.admit(&bearer("s3cret")).unwrap();
    let entries = keys.entries();
    let shown = format!("{keys:?} {caller:?} {entries:?}");
    assert!(shown.contains("program") && !shown.contains("s3cret") && !shown.contains(&hash[7..]), "{shown}");
    let refused = keys.admit(&Presented { in_url: Some("s3cret"), ..NOBODY }).unwrap_err();
    assert!(!refused.to_string().contains("s3cret"), "{refused}");
}
