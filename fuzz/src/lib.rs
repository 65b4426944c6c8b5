//! What each fuzz target does with some bytes, one function a target, under a bound on memory that the allocator keeps.
//!
//! A target breaks off where a reader panics, takes more memory than [`memory::BYTES_MAX`], or breaks what it promises: that what is read can
//! be written and read again, that bounds are kept. The time for one input is the fuzzer's `-timeout`.

mod bodies;
mod memory;
mod written;

use memory::{BYTES_MAX, FRAME_BYTES_MAX, MODEL_BYTES_MAX, within};

/// Requests and answers in JSON.
pub fn infer_json(bytes: &[u8]) {
    within(BYTES_MAX, || bodies::json(bytes));
}

/// Requests and answers with tensors as bytes: two bytes say how long the JSON is.
pub fn infer_binary(bytes: &[u8]) {
    within(BYTES_MAX, || bodies::binary(bytes));
}

/// Messages of gRPC: the first byte says how they are framed.
pub fn infer_grpc(bytes: &[u8]) {
    within(BYTES_MAX, || bodies::grpc(bytes));
}

/// Frames between gateway and worker.
pub fn frames(bytes: &[u8]) {
    within(FRAME_BYTES_MAX, || tidegate_serve::fuzz::frames(bytes));
}

/// Packed bodies, lengths that headers say, labels: the first byte says which.
pub fn bodies(bytes: &[u8]) {
    /// What is unpacked at most.
    const UNPACKED_BYTES_MAX: usize = 1 << 20;
    let Some((which, rest)) = bytes.split_first() else { return };
    within(BYTES_MAX, || match which % 4 {
        0 => tidegate_serve::fuzz::unpacked(rest, true, UNPACKED_BYTES_MAX),
        1 => tidegate_serve::fuzz::unpacked(rest, false, UNPACKED_BYTES_MAX),
        2 => tidegate_serve::fuzz::feedback(rest),
        _ => tidegate_serve::fuzz::json_bytes(rest, usize::from(*which)),
    });
}

/// Answers of servers elsewhere: the first byte says in what pieces they come.
pub fn upstream(bytes: &[u8]) {
    let Some((pieces, rest)) = bytes.split_first() else { return };
    within(BYTES_MAX, || tidegate_serve::remote::fuzz_reply(rest, usize::from(*pieces)));
}

/// What language models are asked and say: the first byte says where it is cut.
pub fn language(bytes: &[u8]) {
    let Some((cut, rest)) = bytes.split_first() else { return };
    within(BYTES_MAX, || tidegate_serve::fuzz::language(rest, usize::from(*cut)));
}

/// Model files of XGBoost.
pub fn xgboost(bytes: &[u8]) {
    within(MODEL_BYTES_MAX, || {
        // What is none says so.
        let _ = tidegate_runtime::fuzz::trees(bytes);
    });
}

/// Model files of LightGBM.
pub fn lightgbm(bytes: &[u8]) {
    xgboost(bytes);
}

/// tidegate.yaml.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    within(BYTES_MAX, || {
        // A mistake is told with all others, as words.
        if let Err(problems) = tidegate_wire::config::load(text, "tidegate.yaml") {
            let _ = problems.to_string();
        }
    });
}

/// Everything else that is written as text.
pub fn text(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    within(BYTES_MAX, || written::text(*which, text));
}

/// Everything else that is said in JSON.
pub fn json(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    within(BYTES_MAX, || written::json(*which, rest));
}
