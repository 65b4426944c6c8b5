//! What fuzzers call and nobody else may: model files as bytes. Built by `scripts/fuzz.sh` alone.

use crate::trees::Trees;
use crate::{Format, Tensor, TensorData};
use tidegate_core::model::Datatype;

/// Features, and values of an explanation, up to which a model that was read is asked for something.
const ASKED_MAX: usize = 1 << 12;

/// Reads a model of trees, and has it answer and explain a row where it is small.
///
/// # Errors
/// A sentence, when it is none.
pub fn trees(bytes: &[u8]) -> Result<(), String> {
    let format = Format::of(bytes)?;
    if format == Format::Onnx {
        return Err("ONNX is another's to read".to_owned());
    }
    let trees = Trees::read(format, bytes)?;
    let signature = trees.signature();
    let (Some(input), Some(output)) = (signature.inputs.first(), signature.outputs.first()) else { return Ok(()) };
    let features = usize::try_from(input.shape.last().copied().unwrap_or(0)).unwrap_or(usize::MAX);
    let outputs = usize::try_from(output.shape.last().copied().unwrap_or(0)).unwrap_or(1);
    if features.saturating_mul(outputs) > ASKED_MAX {
        return Ok(());
    }
    let odd = [0.0, f64::NAN, -1.0, 1e300, f64::INFINITY, 3.0, -0.5, 1e-40];
    let row: Vec<f64> = odd.iter().copied().cycle().take(features).collect();
    #[expect(clippy::cast_possible_truncation, reason = "any row will do")]
    let data = match input.datatype {
        Datatype::Fp32 => TensorData::Fp32(row.iter().map(|x| *x as f32).collect()),
        _ => TensorData::Fp64(row.clone()),
    };
    let tensor = Tensor::new(input.name.clone(), vec![1, i64::try_from(features).unwrap_or(0)], data);
    for answer in trees.run(&tensor).map_err(|fault| fault.to_string())? {
        answer.check().map_err(|fault| fault.to_string()).expect("an answer is as its shape says");
    }
    // What is not explained says so.
    let _ = trees.contributions(&row);
    Ok(())
}
