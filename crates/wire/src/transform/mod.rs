//! `transform.yaml`: the transform of a model version as its author writes it.
//!
//! ```yaml
//! record:                                   # the raw record's fields, in the protocol's datatypes
//!   id: BYTES
//!   sched_dep: BYTES
//!   dest_zone: BYTES
//!   wind_speed: { datatype: FP64, optional: true }
//! time: { field: sched_dep, zone: America/New_York }
//! id: id
//! steps:                                    # each gives one column
//!   - { as: hour, time_part: { of: sched_dep, zone: America/New_York, part: hour } }
//!   - { as: wind, default: { of: wind_speed, value: 10.3 } }
//!   - { as: knots, arithmetic: wind * 0.868976, on_missing: keep }
//! inputs:
//!   X: { datatype: FP32, columns: [hour, knots], nan: allow }
//! score: { output: probabilities, column: 1 }
//! ```
//!
//! All mistakes come at once, each with line and column. A registered version keeps its transform as
//! `transform.json`, which is `tidegate_core::transform::Transform::to_json`, for that needs no places.
//! Not here: what a step computes.

mod place;
mod read;
mod steps;
#[cfg(test)]
mod tests;

use crate::config::{Problem, Problems};
use crate::yaml;
use read::Reader;
use tidegate_core::transform::Transform;

/// Longest transform.yaml, in bytes.
pub const TRANSFORM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The form of the file that is read.
const FORM: i64 = 1;

/// Reads a transform.yaml. What it gives compiles.
///
/// # Errors
/// All problems of the text: first those of its form; when it has none, those of its names and types.
pub fn load(text: &str, file_name: &str) -> Result<Transform, Problems> {
    if text.len() > TRANSFORM_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {TRANSFORM_BYTES_MAX} are read", text.len());
        return Err(Problems::new(file_name, text, vec![whole(1, 1, message)]));
    }
    let root = yaml::parse(text).map_err(|e| Problems::new(file_name, text, vec![whole(e.line, e.column, e.message)]))?;
    let mut reader = Reader::default();
    let transform = reader.transform(&root);
    if !reader.problems.is_empty() {
        return Err(Problems::new(file_name, text, reader.problems));
    }
    match transform.compile() {
        Ok(_) => Ok(transform),
        Err(mistakes) => {
            let problems = mistakes.into_iter().map(|mistake| place::problem(&root, mistake)).collect();
            Err(Problems::new(file_name, text, problems))
        }
    }
}

fn whole(line: u32, column: u32, message: String) -> Problem {
    Problem { line, column, path: String::new(), found: String::new(), message, help: None }
}
