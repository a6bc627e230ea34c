//! Fuzzes [`harness::decode`].
#![no_main]

#[path = "../harness.rs"]
#[expect(dead_code, reason = "the other targets' parts")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::bounded(harness::decode, data));
