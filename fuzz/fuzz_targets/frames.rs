//! Frames between gateway and worker.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::frames(bytes));
