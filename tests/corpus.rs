//! Replays what fuzzing found: every input in `fuzz/corpus`, through the same harness.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

#[path = "../fuzz/harness.rs"]
mod harness;

use std::{fs, path::Path};

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        harness::bounded(target, &input);
        inputs += 1;
    }
    assert!(inputs > 20, "{} holds {inputs} inputs", folder.display());
}

/// One after the other: the memory that an input takes is measured for the whole process.
#[test]
fn what_fuzzing_found_is_survived_in_bounded_memory() {
    replay("decode", harness::decode);
    replay("frames", harness::frames);
    replay("delivery", harness::delivery);
}
