//! Requests and answers in JSON: what is read is written and read again the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::infer_json(bytes));
