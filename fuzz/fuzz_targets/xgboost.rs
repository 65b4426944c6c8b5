//! Model files of XGBoost, JSON and UBJSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::xgboost(bytes));
