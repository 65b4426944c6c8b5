//! Model files of LightGBM.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::lightgbm(bytes));
