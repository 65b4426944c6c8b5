//! What language models are asked, and what their servers say.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::language(bytes));
