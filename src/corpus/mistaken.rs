//! Files that are something else than their names tell, and would be read as data: told as what they are.

use super::CorpusError;

/// How many lines are looked at: what a file is shows at its beginning, but a conflict may be anywhere.
const BEGINNING: usize = 5;

/// Refuses a text that is no data, whatever its format.
pub(super) fn check(text: &str) -> Result<(), CorpusError> {
    let mut lines = (1..).zip(text.lines());
    let is_conflict = |line: &str| line.starts_with("<<<<<<< ");
    if let Some((line, found)) = lines.clone().find(|(_, line)| is_conflict(line)) {
        let reason = format!("here stands '{}', a conflict that git has left: resolve it", found.trim_end());
        return Err(CorpusError::at(line, reason));
    }
    let Some((line, first)) = lines.by_ref().take(BEGINNING).find(|(_, line)| !line.trim().is_empty()) else {
        return Ok(());
    };
    let lower = first.trim().to_ascii_lowercase();
    if ["<!doctype", "<html", "<head", "<?xml"].iter().any(|tag| lower.starts_with(tag)) {
        let shown: String = first.trim().chars().take(60).collect();
        let reason = format!("the file begins with '{shown}': this is a page, not data; download the file itself");
        return Err(CorpusError::at(line, reason));
    }
    if lower.starts_with("version https://git-lfs.github.com/spec/") {
        let reason = "this is a pointer of Git LFS, not the file: get it with `git lfs pull`";
        return Err(CorpusError::at(line, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_data_is_told_as_what_it_is() {
        fn check(text: &str, expected: Option<(usize, &str)>) {
            match (super::check(text), expected) {
                (Ok(()), None) => {}
                (Err(CorpusError::Line { line, reason }), Some((at, said))) => {
                    assert!(line == at && reason.contains(said), "{line}: {reason}");
                }
                (other, _) => unreachable!("{text}: {other:?}"),
            }
        }
        check("<<<<<<< HEAD\ntext,intent\n", Some((1, "'<<<<<<< HEAD', a conflict")));
        check("text,intent\nhi,a\n<<<<<<< HEAD\nyo,a\n=======\n", Some((3, "resolve it")));
        check("\n <!DOCTYPE html>\n<html>", Some((2, "'<!DOCTYPE html>'")));
        check("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", Some((1, "Git LFS")));
        check("", None);
        check("text,intent\n<html>,a\n", None);
    }
}
