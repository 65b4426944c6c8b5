//! Requests and answers with tensors as bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::infer_binary(bytes));
