//! Packed bodies, lengths that headers say, labels.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::bodies(bytes));
