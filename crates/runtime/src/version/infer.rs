//! From a request to an answer: rows, transform, model, score.

use super::rows::Rows;
use super::{InferRequest, InferResponse, SCORE, Version};
use crate::model::names;
use crate::{InferError, InputFault, RuntimeError, Tensor, TensorData};
use tidegate_core::model::Datatype;
use tidegate_core::transform::{BlockData, Compiled, InputBlock, InputRows, Refusal};

impl Version {
    /// Answers a request. Several threads may ask.
    ///
    /// # Errors
    /// When the request is wrong, when this version refuses a record of it, or when the model fails.
    pub fn infer(&self, request: &InferRequest) -> Result<InferResponse, InferError> {
        self.infer_seeing(request, |_| {})
    }

    /// Answers a request; `see` is shown what the transform computed.
    pub(super) fn infer_seeing(&self, request: &InferRequest, see: impl FnOnce(&InputRows)) -> Result<InferResponse, InferError> {
        if let Some(unknown) = request.outputs.iter().find(|name| !self.outputs.iter().any(|spec| spec.name == **name)) {
            return Err(InputFault::UnknownOutput { name: unknown.clone(), expected: names(&self.outputs) }.into());
        }
        let mut outputs = match &self.transform {
            None => self.model.run(&request.inputs)?,
            Some(transform) => {
                let inputs = inputs(transform, &request.inputs)?;
                see(&inputs);
                self.run_rows(transform, inputs)?
            }
        };
        if !request.outputs.is_empty() {
            // In the order in which they were asked for.
            outputs = request.outputs.iter().filter_map(|name| outputs.iter().find(|t| t.name == *name).cloned()).collect();
        }
        Ok(InferResponse { id: request.id.clone(), outputs })
    }

    /// The model's outputs for computed inputs, with the score.
    pub(super) fn run_rows(&self, transform: &Compiled, inputs: InputRows) -> Result<Vec<Tensor>, InferError> {
        let rows = inputs.rows();
        let tensors: Vec<Tensor> = inputs.into_blocks().into_iter().map(|block| self.tensor(block, rows)).collect();
        // What the transform gives fits the model by `Version::open`; a misfit here is ours, not the sender's.
        let mut outputs = self.model.run(&tensors).map_err(InferError::Failed)?;
        if let Some(score) = transform.score() {
            let scores = self.scores(&score.output, score.column, &outputs, rows).map_err(InferError::Failed)?;
            outputs.retain(|tensor| tensor.name != SCORE);
            outputs.push(Tensor::new(SCORE, vec![dimension(rows)], TensorData::Fp64(scores)));
        }
        Ok(outputs)
    }

    fn tensor(&self, block: InputBlock, rows: usize) -> Tensor {
        let flat = self.model.signature().inputs.iter().any(|spec| spec.name == block.tensor && spec.shape.len() == 1);
        let shape = if flat { vec![dimension(rows)] } else { vec![dimension(rows), dimension(block.columns)] };
        let data = match block.data {
            BlockData::Texts(texts) => TensorData::Bytes(texts),
            BlockData::Numbers(numbers) => numeric(numbers, block.datatype),
        };
        Tensor::new(block.tensor, shape, data)
    }

    pub(super) fn scores(&self, output: &str, column: Option<usize>, outputs: &[Tensor], rows: usize) -> Result<Vec<f64>, RuntimeError> {
        let failed = |why: String| RuntimeError::Run { path: self.model.path().to_owned(), why };
        let tensor = outputs
            .iter()
            .find(|tensor| tensor.name == output)
            .ok_or_else(|| failed(format!("it gave no output `{output}`, which is the score")))?;
        let width = tensor.data.len() / rows.max(1);
        let column = column.unwrap_or(0);
        if width * rows != tensor.data.len() || column >= width {
            return Err(failed(format!("output `{output}` has shape {:?} for {rows} rows: it has no column {column}", tensor.shape)));
        }
        (0..rows)
            .map(|row| tensor.data.number(row * width + column).ok_or_else(|| failed(format!("output `{output}` holds no numbers"))))
            .collect()
    }
}

/// The inputs of every record of a request.
pub(super) fn inputs(transform: &Compiled, tensors: &[Tensor]) -> Result<InputRows, InferError> {
    let rows = Rows::new(transform.fields(), tensors)?;
    let mut inputs = transform.rows(rows.rows);
    let (mut record, mut slots) = (Vec::with_capacity(transform.fields().len()), Vec::new());
    for row in 0..rows.rows {
        rows.record(row, &mut record);
        transform.apply_into(&record, &mut slots, &mut inputs).map_err(refused)?;
    }
    Ok(inputs)
}

fn refused(refusal: Box<Refusal>) -> InferError {
    InferError::Refused(refusal)
}

fn dimension(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Numbers as the datatype has them; the transform has checked that they fit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`InputRows` holds only numbers that fit the datatype")]
fn numeric(numbers: Vec<f64>, datatype: Datatype) -> TensorData {
    let all = numbers.iter();
    match datatype {
        Datatype::Bool => TensorData::Bool(all.map(|x| *x != 0.0).collect()),
        Datatype::Uint8 => TensorData::Uint8(all.map(|x| *x as u8).collect()),
        Datatype::Uint16 => TensorData::Uint16(all.map(|x| *x as u16).collect()),
        Datatype::Uint32 => TensorData::Uint32(all.map(|x| *x as u32).collect()),
        Datatype::Uint64 => TensorData::Uint64(all.map(|x| *x as u64).collect()),
        Datatype::Int8 => TensorData::Int8(all.map(|x| *x as i8).collect()),
        Datatype::Int16 => TensorData::Int16(all.map(|x| *x as i16).collect()),
        Datatype::Int32 => TensorData::Int32(all.map(|x| *x as i32).collect()),
        Datatype::Int64 => TensorData::Int64(all.map(|x| *x as i64).collect()),
        // The transform admits neither FP16, BF16 nor texts here; the model's own check would refuse FP32 in their place.
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Bytes => TensorData::Fp32(all.map(|x| *x as f32).collect()),
        Datatype::Fp64 => TensorData::Fp64(numbers),
    }
}
