//! Messages of gRPC, and the frames that they come in.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::infer_grpc(bytes));
