//! The inputs of a batch of records, one block a tensor, row after row.

use crate::model::Datatype;
use crate::transform::compiled::CompiledInput;
use crate::transform::{Compiled, Nan, Value};

/// Inputs of some records.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRows {
    rows: usize,
    blocks: Vec<InputBlock>,
}

/// One tensor of rows by columns.
#[derive(Clone, Debug, PartialEq)]
pub struct InputBlock {
    /// The tensor's name in the model.
    pub tensor: String,
    /// Its element type; numbers are already checked to fit it.
    pub datatype: Datatype,
    /// Columns.
    pub columns: usize,
    /// Values, row after row.
    pub data: BlockData,
}

/// Values of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockData {
    /// For every datatype but BYTES.
    Numbers(Vec<f64>),
    /// For BYTES.
    Texts(Vec<String>),
}

impl InputRows {
    /// How many records are in it.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The tensors in the transform's order.
    #[must_use]
    pub fn blocks(&self) -> &[InputBlock] {
        &self.blocks
    }

    /// The tensors, taken out.
    #[must_use]
    pub fn into_blocks(self) -> Vec<InputBlock> {
        self.blocks
    }

    /// The numbers of one row over all tensors, in order.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<f64> {
        let mut numbers = Vec::new();
        for block in &self.blocks {
            if let BlockData::Numbers(all) = &block.data {
                numbers.extend(all.iter().skip(row.saturating_mul(block.columns)).take(block.columns));
            }
        }
        numbers
    }

    /// Appends one row from the slots; on failure nothing of it stays.
    pub(super) fn push(&mut self, compiled: &Compiled, slots: &[Value<'_>]) -> Result<(), (String, usize, String)> {
        for (input, block) in compiled.inputs.iter().zip(&mut self.blocks) {
            for (slot, name) in &input.columns {
                let value = slots.get(*slot).copied().unwrap_or(Value::Null);
                if let Err(why) = block.data.push(input, value) {
                    let label = format!("input `{}`, column `{name}`", input.tensor);
                    self.trim();
                    return Err((label, *slot, why));
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes off a row that was begun.
    fn trim(&mut self) {
        for block in &mut self.blocks {
            let whole = self.rows * block.columns;
            match &mut block.data {
                BlockData::Numbers(numbers) => numbers.truncate(whole),
                BlockData::Texts(texts) => texts.truncate(whole),
            }
        }
    }
}

impl BlockData {
    fn push(&mut self, input: &CompiledInput, value: Value<'_>) -> Result<(), String> {
        match self {
            BlockData::Numbers(numbers) => {
                let number = match value.number() {
                    Some(number) => fitting(number, input.datatype)?,
                    None if value.is_missing() && input.nan == Nan::Allow => f64::NAN,
                    None if value.is_missing() => {
                        return Err("is missing and the input is not declared `nan: allow`".to_owned());
                    }
                    None => return Err(format!("is {value}, not a number")),
                };
                numbers.push(number);
            }
            BlockData::Texts(texts) => match value {
                Value::Str(text) => texts.push(text.to_owned()),
                Value::Null => return Err("is missing, and a text input has no value for that".to_owned()),
                other => return Err(format!("is {other}, not a text")),
            },
        }
        Ok(())
    }
}

/// The number, if the datatype can hold it.
fn fitting(number: f64, datatype: Datatype) -> Result<f64, String> {
    let range = match datatype {
        Datatype::Fp64 | Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => return Ok(number),
        Datatype::Fp32 => {
            #[expect(clippy::cast_possible_truncation, reason = "the question is whether it fits")]
            let narrow = number as f32;
            return if narrow.is_finite() { Ok(number) } else { Err(format!("is {number}, beyond FP32")) };
        }
        Datatype::Bool => (0.0, 1.0),
        Datatype::Uint8 => (0.0, f64::from(u8::MAX)),
        Datatype::Uint16 => (0.0, f64::from(u16::MAX)),
        Datatype::Uint32 => (0.0, f64::from(u32::MAX)),
        Datatype::Int8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
        Datatype::Int16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        Datatype::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        // Beyond 2^53 a number is no longer exact, so it is refused rather than altered.
        Datatype::Uint64 => (0.0, EXACT_MAX),
        Datatype::Int64 => (-EXACT_MAX, EXACT_MAX),
    };
    if libm::trunc(number) == number && range.0 <= number && number <= range.1 {
        Ok(number)
    } else {
        Err(format!("is {number}, which {datatype} cannot hold"))
    }
}

/// 2^53, up to which every integer is a number.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl Compiled {
    /// An empty batch with room for `records`.
    #[must_use]
    pub fn rows(&self, records: usize) -> InputRows {
        let block = |input: &CompiledInput| {
            let columns = input.columns.len();
            let room = records.saturating_mul(columns).min(BATCH_ROOM_MAX);
            let data = if input.datatype == Datatype::Bytes {
                BlockData::Texts(Vec::with_capacity(room))
            } else {
                BlockData::Numbers(Vec::with_capacity(room))
            };
            InputBlock { tensor: input.tensor.clone(), datatype: input.datatype, columns, data }
        };
        InputRows { rows: 0, blocks: self.inputs.iter().map(block).collect() }
    }
}

/// Values for which room is made ahead; a larger batch grows as it is filled.
const BATCH_ROOM_MAX: usize = 1 << 20;
