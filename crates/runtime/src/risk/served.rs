//! A model of risk as a model like any other: rows of its features in, probabilities with their intervals out.

use super::{RiskModel, WrongRow};
use crate::{ELEMENTS_MAX, InputFault, Tensor, TensorData};
use tidegate_core::model::{Datatype, Signature, TensorSpec};

/// Name of the input: rows of the features, in the model's order; a value that is missing is null, or not a number.
const INPUT: &str = "features";
/// Names of the outputs, one value of each a row.
const OUTPUTS: [&str; 4] = ["probability", "low", "high", "rank"];

/// Whether bytes begin as the file of a model of risk does.
pub(crate) fn is_risk(start: &[u8]) -> bool {
    let after = |text: &'_ [u8], part: &[u8]| text.trim_ascii_start().strip_prefix(part).map(<[u8]>::to_vec);
    after(start, b"{").and_then(|rest| after(&rest, b"\"model\"")).and_then(|rest| after(&rest, b":")).is_some()
}

pub(crate) fn signature(model: &RiskModel) -> Signature {
    let width = i64::try_from(model.features().len()).unwrap_or(i64::MAX);
    let spec = |name: &str, shape| TensorSpec { name: name.to_owned(), datatype: Datatype::Fp64, shape };
    Signature { inputs: vec![spec(INPUT, vec![-1, width])], outputs: OUTPUTS.map(|name| spec(name, vec![-1])).to_vec() }
}

/// Answers each row.
pub(crate) fn run(model: &RiskModel, input: &Tensor) -> Result<Vec<Tensor>, InputFault> {
    let TensorData::Fp64(values) = &input.data else { return Ok(vec![]) };
    let width = model.features().len();
    let rows = values.len() / width;
    if rows > ELEMENTS_MAX {
        let (name, shape) = (input.name.clone(), input.shape.clone());
        return Err(InputFault::Count { name, shape, expected: format!("at most {ELEMENTS_MAX} rows"), got: rows });
    }
    let mut values = values.clone();
    for (value, missing) in values.iter_mut().zip(&input.missing) {
        *value = if *missing { f64::NAN } else { *value };
    }
    let mut columns: [Vec<f64>; 4] = Default::default();
    for row in values.chunks_exact(width) {
        let score = model.score(row).map_err(|why| wrong(&why))?;
        for (column, value) in columns.iter_mut().zip([score.probability, score.interval[0], score.interval[1], score.rank]) {
            column.push(value);
        }
    }
    let shape = vec![i64::try_from(rows).unwrap_or(i64::MAX)];
    Ok(OUTPUTS.into_iter().zip(columns).map(|(name, column)| Tensor::new(name, shape.clone(), TensorData::Fp64(column))).collect())
}

/// What each feature of a row adds to the log odds of the probability, before calibration, and what is expected of no change in particular; what a
/// made feature adds belongs to the two that it is made of, half each.
pub(crate) fn contributions(model: &RiskModel, row: &[f64]) -> Result<Vec<f64>, WrongRow> {
    let score = model.score(row)?;
    let names = model.features();
    let mut values = vec![0.0; names.len() + 1];
    let mut add = |column: usize, value: f64| values.get_mut(column).into_iter().for_each(|cell| *cell += value);
    add(names.len(), score.base);
    for one in &score.contributions {
        if let Some(column) = names.iter().position(|name| *name == one.feature) {
            add(column, one.log_odds);
        } else if let Some(made) = model.parts.derived.iter().find(|made| made.name == one.feature) {
            add(made.first, 0.5 * one.log_odds);
            add(made.second, 0.5 * one.log_odds);
        }
    }
    Ok(values)
}

fn wrong(why: &WrongRow) -> InputFault {
    InputFault::Row(why.to_string())
}
