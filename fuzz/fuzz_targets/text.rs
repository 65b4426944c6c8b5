//! Everything else that people and tools write as text; the first byte says what.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::text(bytes));
