//! A version as a directory: a model under a name of [`Format::file_name`], `transform.json` where it takes raw records,
//! `golden.json` where it has golden requests. It answers requests; what it is called and whether it is released it does not know.

mod bulk;
mod compare;
mod explain;
mod golden;
mod infer;
mod observe;
mod rows;
mod together;

pub use compare::Comparison;
pub use explain::{EXPLAINED_FEATURES_MAX, EXPLAINED_OUTPUTS_MAX, EXPLAINED_ROWS_MAX, Explanation, Method};
pub use golden::{Expect, GOLDEN_REQUESTS_MAX, Golden, GoldenMiss, GoldenReport, GoldenRequest, Tolerance};
pub use observe::Observed;
pub use rows::ROWS_MAX;

use crate::model::{format, names};
use crate::{Execution, Format, Model, Provider, RuntimeError, Tensor, oip};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use tidegate_core::model::{Datatype, Signature, TensorSpec};
use tidegate_core::transform::{Compiled, Score, Transform};

/// Name of the file that stands in a version's directory in place of a model, where an upstream answers for it.
pub const REMOTE_FILE: &str = "remote.json";
/// Name of the output that carries the score.
const SCORE: &str = "score";

/// A version, ready to answer.
#[derive(Debug)]
pub struct Version {
    directory: PathBuf,
    model: Model,
    transform: Option<Compiled>,
    golden: Option<Golden>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

/// A request: named tensors of some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferRequest {
    /// The sender's name for it.
    pub id: Option<String>,
    /// Parameters of the protocol.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Fields of raw records where the version has a transform, else the model's inputs.
    pub inputs: Vec<Tensor>,
    /// Names of the outputs wanted; empty for all.
    pub outputs: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferResponse {
    /// The id of the request.
    pub id: Option<String>,
    /// The model's outputs, and `score` (FP64, one a row) where the transform maps one.
    pub outputs: Vec<Tensor>,
}

impl InferResponse {
    /// An output by name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&Tensor> {
        self.outputs.iter().find(|tensor| tensor.name == name)
    }

    /// The scores, one a row; none when the answer carries none.
    #[must_use]
    pub fn scores(&self) -> Option<&[f64]> {
        match &self.output(SCORE)?.data {
            crate::TensorData::Fp64(scores) => Some(scores),
            _ => None,
        }
    }
}

impl Version {
    /// Opens a directory with one session.
    ///
    /// # Errors
    /// When a file cannot be read, is not what its name says, or they do not fit each other.
    pub fn open(directory: &Path) -> Result<Version, RuntimeError> {
        Version::open_with(directory, NonZero::<usize>::MIN)
    }

    /// Opens a directory so that `sessions` threads can ask at the same time.
    ///
    /// # Errors
    /// As [`Version::open`].
    pub fn open_with(directory: &Path, sessions: NonZero<usize>) -> Result<Version, RuntimeError> {
        Version::open_on(directory, sessions, &Execution::default())
    }

    /// As [`Version::open_with`], to be carried out as `execution` says.
    ///
    /// # Errors
    /// As [`Version::open`], and when a provider that is asked for is not there.
    pub fn open_on(directory: &Path, sessions: NonZero<usize>, execution: &Execution) -> Result<Version, RuntimeError> {
        let elsewhere = directory.join(REMOTE_FILE);
        if elsewhere.exists() {
            let what = "an upstream answers it: what is computed from the model itself, as scores of reference rows and times, is not to be had here";
            return Err(RuntimeError::VersionUnfit { path: elsewhere, what: what.to_owned() });
        }
        let model = Model::load_on(&Version::model_file(directory)?, sessions, execution)?;
        let path = directory.join("transform.json");
        let transform = match read_optional(&path)? {
            None => None,
            Some(bytes) => Some(transform(&bytes, model.signature()).map_err(|what| RuntimeError::VersionUnfit { path, what })?),
        };
        let path = directory.join("golden.json");
        let golden = match read_optional(&path)? {
            None => None,
            Some(bytes) => Some(Golden::parse(&bytes).map_err(|what| RuntimeError::VersionUnfit { path, what })?),
        };
        let inputs = transform.as_ref().map_or_else(|| model.signature().inputs.clone(), |t| oip::record_specs(t.fields()));
        let mut outputs = model.signature().outputs.clone();
        if transform.as_ref().is_some_and(|t| t.score().is_some()) {
            outputs.push(TensorSpec { name: SCORE.to_owned(), datatype: Datatype::Fp64, shape: vec![-1] });
        }
        Ok(Version { directory: directory.to_owned(), model, transform, golden, inputs, outputs })
    }

    /// The model file of a directory, whatever its kind.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn model_file(directory: &Path) -> Result<PathBuf, RuntimeError> {
        let mut there = Format::ALL.into_iter().map(|format| directory.join(format.file_name())).filter(|path| path.is_file());
        match (there.next(), there.next()) {
            (Some(path), None) => Ok(path),
            (None, _) => {
                let what = format!("it holds no model: none of {}", Format::ALL.map(Format::file_name).join(", "));
                Err(RuntimeError::VersionUnfit { path: directory.to_owned(), what })
            }
            (Some(one), Some(other)) => {
                let what = format!("it holds two models, {} and {}", one.display(), other.display());
                Err(RuntimeError::VersionUnfit { path: directory.to_owned(), what })
            }
        }
    }

    /// Whether the model of a directory is run by ONNX Runtime, so that [`crate::init`] must come first.
    ///
    /// # Errors
    /// When there is no model, or none that is served.
    pub fn needs_library(directory: &Path) -> Result<bool, RuntimeError> {
        Ok(format(&Version::model_file(directory)?)?.needs_library())
    }

    /// What kind of model it has.
    #[must_use]
    pub fn format(&self) -> Format {
        self.model.format()
    }

    /// Who carries its model out, in the order in which they are asked for each operator.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        self.model.providers()
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Inputs and outputs of the model file itself.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        self.model.signature()
    }

    /// The transform, where the version takes raw records.
    #[must_use]
    pub fn transform(&self) -> Option<&Compiled> {
        self.transform.as_ref()
    }

    /// The golden requests with their answers.
    #[must_use]
    pub fn golden(&self) -> Option<&Golden> {
        self.golden.as_ref()
    }

    /// What a request carries: the record's fields where there is a transform, else the model's inputs.
    #[must_use]
    pub fn inputs_metadata(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What an answer carries.
    #[must_use]
    pub fn outputs_metadata(&self) -> &[TensorSpec] {
        &self.outputs
    }
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, RuntimeError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RuntimeError::Read { path: path.to_owned(), source }),
    }
}

/// Reads a stored transform and checks that it gives what the model takes.
fn transform(bytes: &[u8], signature: &Signature) -> Result<Compiled, String> {
    let compiled = Transform::from_json(bytes)
        .map_err(|error| error.to_string())?
        .compile()
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    for (tensor, datatype, columns) in compiled.inputs() {
        let spec = signature
            .inputs
            .iter()
            .find(|spec| spec.name == tensor)
            .ok_or_else(|| format!("input `{tensor}`: the model has no such input: it has {}", names(&signature.inputs).join(", ")))?;
        if spec.datatype != datatype {
            return Err(format!("input `{tensor}` is declared {datatype}, the model takes {}", spec.datatype));
        }
        let fits = match *spec.shape.as_slice() {
            [rows] => rows < 0 && columns.len() == 1,
            [rows, width] => rows < 0 && (width < 0 || usize::try_from(width) == Ok(columns.len())),
            _ => false,
        };
        if !fits {
            return Err(format!(
                "input `{tensor}` has {} columns, the model takes shape {:?} (-1 is any): a transform fills [-1] with one column or [-1, n] with n",
                columns.len(),
                spec.shape
            ));
        }
    }
    if let Some(spec) = signature.inputs.iter().find(|spec| !compiled.inputs().any(|(tensor, ..)| tensor == spec.name)) {
        return Err(format!("the model's input `{}` ({}) is not among the transform's inputs", spec.name, spec.datatype));
    }
    if let Some(score) = compiled.score() {
        check_score(score, signature)?;
    }
    Ok(compiled)
}

fn check_score(score: &Score, signature: &Signature) -> Result<(), String> {
    if signature.outputs.iter().any(|spec| spec.name == SCORE) && score.output != SCORE {
        return Err(format!("the model has an output `{SCORE}` of its own: map that one as the score"));
    }
    let spec = signature
        .outputs
        .iter()
        .find(|spec| spec.name == score.output)
        .ok_or_else(|| format!("score: the model has no output `{}`: it has {}", score.output, names(&signature.outputs).join(", ")))?;
    if spec.datatype == Datatype::Bytes {
        return Err(format!("score: output `{}` holds texts", spec.name));
    }
    let fits = match (spec.shape.as_slice(), score.column) {
        ([_], None | Some(0)) | ([_, 1], None) => true,
        ([_, width], Some(column)) => *width < 0 || usize::try_from(*width).is_ok_and(|width| column < width),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let column = score.column.map_or_else(|| "no column".to_owned(), |column| format!("column {column}"));
    Err(format!("score: output `{}` has shape {:?}, the score names {column}", spec.name, spec.shape))
}
