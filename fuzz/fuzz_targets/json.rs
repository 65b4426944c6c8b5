//! Everything else that tools say in JSON; the first byte says what.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::json(bytes));
