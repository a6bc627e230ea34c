//! English words without their endings, so that 'refunds' and 'refunded' are found by 'refund': the Snowball project's
//! English stemmer (Porter2), <https://snowballstem.org/algorithms/english/stemmer.html>.
//!
//! Its crates haven't been kept up for years, and the algorithm is a page long. **Invariant:** a word of other letters
//! than a to z comes back as it is.

/// Takes the ending off a word of lower-case letters, in place.
pub(super) fn stem(word: &mut Vec<u8>) {
    if word.len() <= 2 || !word.iter().all(|c| c.is_ascii_lowercase() || *c == b'\'') {
        return;
    }
    if let Some(known) = exception(word) {
        word.clear();
        word.extend_from_slice(known);
        return;
    }
    while word.first() == Some(&b'\'') {
        word.remove(0);
    }
    mark_consonants(word);
    let (r1, r2) = regions(word);
    step_0(word);
    if word.is_empty() {
        return;
    }
    step_1a(word);
    if !matches!(
        &word[..],
        b"inning" | b"outing" | b"canning" | b"herring" | b"earring" | b"proceed" | b"exceed" | b"succeed"
    ) {
        step_1b(word, r1);
        step_1c(word);
        step_2(word, r1);
        step_3(word, r1, r2);
        step_4(word, r2);
        step_5(word, r1, r2);
    }
    word.iter_mut().filter(|c| **c == b'Y').for_each(|c| *c = b'y');
}

/// Words that the rules would spoil.
fn exception(word: &[u8]) -> Option<&'static [u8]> {
    Some(match word {
        b"skis" => b"ski",
        b"skies" | b"sky" => b"sky",
        b"dying" => b"die",
        b"lying" => b"lie",
        b"tying" => b"tie",
        b"idly" => b"idl",
        b"gently" => b"gentl",
        b"ugly" => b"ugli",
        b"early" => b"earli",
        b"only" => b"onli",
        b"singly" => b"singl",
        b"news" => b"news",
        b"howe" => b"howe",
        b"atlas" => b"atlas",
        b"cosmos" => b"cosmos",
        b"bias" => b"bias",
        b"andes" => b"andes",
        _ => return None,
    })
}

fn is_vowel(c: u8) -> bool {
    matches!(c, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// A y that begins the word or comes after a vowel is a consonant, and written Y.
fn mark_consonants(word: &mut [u8]) {
    for at in 0..word.len() {
        if word[at] == b'y' && (at == 0 || is_vowel(word[at - 1])) {
            word[at] = b'Y';
        }
    }
}

/// Where the regions R1 and R2 begin: after the first consonant that follows a vowel, and the same again.
fn regions(word: &[u8]) -> (usize, usize) {
    let after = |start: usize| {
        let pairs = (start + 1..word.len()).find(|&at| !is_vowel(word[at]) && is_vowel(word[at - 1]));
        pairs.map_or(word.len(), |at| at + 1)
    };
    let prefixes: [&[u8]; 3] = [b"gener", b"commun", b"arsen"];
    let r1 = prefixes.iter().find(|it| word.starts_with(it)).map_or_else(|| after(0), |it| it.len());
    (r1, after(r1))
}

fn ends_in_short_syllable(word: &[u8]) -> bool {
    match word {
        [.., a, b, c] => !is_vowel(*a) && is_vowel(*b) && !is_vowel(*c) && !matches!(c, b'w' | b'x' | b'Y'),
        [a, b] => is_vowel(*a) && !is_vowel(*b),
        _ => false,
    }
}

fn has_vowel(word: &[u8]) -> bool {
    word.iter().any(|c| is_vowel(*c))
}

/// Puts another ending in place of one.
fn put(word: &mut Vec<u8>, ending: &[u8], other: &[u8]) {
    word.truncate(word.len() - ending.len());
    word.extend_from_slice(other);
}

fn step_0(word: &mut Vec<u8>) {
    let endings: [&[u8]; 3] = [b"'s'", b"'s", b"'"];
    if let Some(ending) = endings.iter().find(|ending| word.ends_with(ending)) {
        put(word, ending, b"");
    }
}

fn step_1a(word: &mut Vec<u8>) {
    if word.ends_with(b"sses") {
        put(word, b"sses", b"ss");
    } else if word.ends_with(b"ied") || word.ends_with(b"ies") {
        let short: &[u8] = if word.len() > 4 { b"i" } else { b"ie" };
        put(word, b"ies", short);
    } else if word.ends_with(b"s") && !word.ends_with(b"us") && !word.ends_with(b"ss") {
        let before = word.len().saturating_sub(2);
        if has_vowel(&word[..before]) {
            word.pop();
        }
    }
}

fn step_1b(word: &mut Vec<u8>, r1: usize) {
    for ending in [b"eedly".as_slice(), b"eed"] {
        if word.ends_with(ending) {
            if word.len() - ending.len() >= r1 {
                put(word, ending, b"ee");
            }
            return;
        }
    }
    for ending in [b"ingly".as_slice(), b"edly", b"ing", b"ed"] {
        if word.ends_with(ending) {
            if !has_vowel(&word[..word.len() - ending.len()]) {
                return;
            }
            put(word, ending, b"");
            let doubles = [b"bb", b"dd", b"ff", b"gg", b"mm", b"nn", b"pp", b"rr", b"tt"];
            if word.ends_with(b"at") || word.ends_with(b"bl") || word.ends_with(b"iz") {
                word.push(b'e');
            } else if doubles.iter().any(|double| word.ends_with(*double)) {
                word.pop();
            } else if word.len() <= r1 && ends_in_short_syllable(word) {
                word.push(b'e');
            }
            return;
        }
    }
}

fn step_1c(word: &mut [u8]) {
    if let [_, .., before, last @ (b'y' | b'Y')] = word
        && !is_vowel(*before)
    {
        *last = b'i';
    }
}

const STEP_2: [(&[u8], &[u8]); 22] = [
    (b"ization", b"ize"),
    (b"ational", b"ate"),
    (b"ousness", b"ous"),
    (b"iveness", b"ive"),
    (b"fulness", b"ful"),
    (b"tional", b"tion"),
    (b"lessli", b"less"),
    (b"biliti", b"ble"),
    (b"entli", b"ent"),
    (b"ation", b"ate"),
    (b"alism", b"al"),
    (b"aliti", b"al"),
    (b"fulli", b"ful"),
    (b"ousli", b"ous"),
    (b"iviti", b"ive"),
    (b"enci", b"ence"),
    (b"anci", b"ance"),
    (b"abli", b"able"),
    (b"izer", b"ize"),
    (b"ator", b"ate"),
    (b"alli", b"al"),
    (b"bli", b"ble"),
];

fn step_2(word: &mut Vec<u8>, r1: usize) {
    if let Some((ending, other)) = STEP_2.iter().find(|(ending, _)| word.ends_with(ending)) {
        if word.len() - ending.len() >= r1 {
            put(word, ending, other);
        }
    } else if word.ends_with(b"ogi") {
        if word.len() - 3 >= r1 && word.ends_with(b"logi") {
            word.pop();
        }
    } else if let [.., before, b'l', b'i'] = &word[..]
        && word.len() - 2 >= r1
        && matches!(before, b'c' | b'd' | b'e' | b'g' | b'h' | b'k' | b'm' | b'n' | b'r' | b't')
    {
        word.truncate(word.len() - 2);
    }
}

fn step_3(word: &mut Vec<u8>, r1: usize, r2: usize) {
    let endings: [(&[u8], &[u8]); 8] = [
        (b"ational", b"ate"),
        (b"tional", b"tion"),
        (b"alize", b"al"),
        (b"icate", b"ic"),
        (b"iciti", b"ic"),
        (b"ical", b"ic"),
        (b"ful", b""),
        (b"ness", b""),
    ];
    if let Some((ending, other)) = endings.iter().find(|(ending, _)| word.ends_with(ending)) {
        if word.len() - ending.len() >= r1 {
            put(word, ending, other);
        }
    } else if word.ends_with(b"ative") && word.len() - 5 >= r2 {
        put(word, b"ative", b"");
    }
}

fn step_4(word: &mut Vec<u8>, r2: usize) {
    let endings: [&[u8]; 18] = [
        b"ement", b"ance", b"ence", b"able", b"ible", b"ment", b"ant", b"ent", b"ism", b"ate", b"iti", b"ous", b"ive",
        b"ize", b"ion", b"al", b"er", b"ic",
    ];
    if let Some(ending) = endings.iter().find(|ending| word.ends_with(ending)) {
        let rest = word.len() - ending.len();
        let fits = *ending != b"ion" || matches!(word[..rest].last(), Some(b's' | b't'));
        if rest >= r2 && fits {
            word.truncate(rest);
        }
    }
}

fn step_5(word: &mut Vec<u8>, r1: usize, r2: usize) {
    let rest = word.len().saturating_sub(1);
    match word.last() {
        Some(b'e') if rest >= r2 || rest >= r1 && !ends_in_short_syllable(&word[..rest]) => word.truncate(rest),
        Some(b'l') if rest >= r2 && word[..rest].last() == Some(&b'l') => word.truncate(rest),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;

    fn stemmed(word: &str) -> String {
        let mut bytes = word.as_bytes().to_vec();
        stem(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn words_lose_their_endings() {
        fn check(stem: &str, words: &[&str]) {
            for word in words {
                assert_eq!(stemmed(word), stem, "{word}");
            }
        }
        // From the algorithm's page, and its sample vocabulary.
        check("consign", &["consign", "consigned", "consigning", "consignment"]);
        check("consist", &["consist", "consisted", "consistent", "consistently", "consisting", "consists"]);
        check("consol", &["consolation", "consolations", "consoled"]);
        check("knock", &["knock", "knocked", "knocking", "knocks"]);
        check("knot", &["knot", "knots", "knotted"]);
        check("refund", &["refund", "refunds", "refunded", "refunding", "refund's"]);
        check("hope", &["hoped", "hoping", "hope", "hopes"]);
        check("hop", &["hopped", "hopping", "hop"]);
        check("tie", &["ties", "tied", "tying"]);
        check("cri", &["cry", "cries", "cried"]);
        check("say", &["say", "says"]);
        check("generat", &["generate", "generates", "generator"]);
        check("general", &["general", "generally"]);
        check("relat", &["relate", "relational", "relation"]);
        check("gas", &["gas"]);
        check("gap", &["gaps"]);
        check("kiwi", &["kiwis"]);
        check("luxuri", &["luxury", "luxuries", "luxuriate"]);
        check("by", &["by"]);
        check("naïve", &["naïve"]);
        check("b2b", &["b2b"]);
    }

    proptest! {
        #[test]
        fn any_word_is_survived(word in "[a-z']{0,12}") {
            prop_assert!(stemmed(&word).len() <= word.len() + 1);
        }
    }
}
