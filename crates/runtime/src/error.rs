//! What can go wrong: with the library, with a model file, with a request, with a record.

use std::path::PathBuf;
use tidegate_core::model::Datatype;
use tidegate_core::transform::Refusal;

/// The library or a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No library was found.
    #[error(
        "find ONNX Runtime: no library at {}: install it with `pip install onnxruntime` in the workspace's environment, or give the path of libonnxruntime.so",
        looked.iter().map(|p| format!("`{}`", p.display())).collect::<Vec<_>>().join(", ")
    )]
    LibraryMissing {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// The file is no such library.
    #[error("load ONNX Runtime from `{}`: {why}: give the path of libonnxruntime.so from the `onnxruntime` package", path.display())]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The library is older than what is needed.
    #[error("load ONNX Runtime from `{}`: it is version {version}, needed is {needed} or newer: `pip install --upgrade onnxruntime`", path.display())]
    LibraryTooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The oldest version that will do.
        needed: String,
    },
    /// One process holds one library.
    #[error("load ONNX Runtime from `{}`: this process already uses `{}`: start another process for another library", asked.display(), loaded.display())]
    LibraryOther {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        asked: PathBuf,
    },
    /// An ONNX model was loaded before the library, or without one.
    #[error(
        "load model `{}`: it is an ONNX model, and ONNX Runtime is not loaded: `pip install onnxruntime` in the workspace's environment",
        path.display()
    )]
    NotInitialised {
        /// The model file.
        path: PathBuf,
    },
    /// A file of a version cannot be read.
    #[error("read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model file is not one.
    #[error("load model `{}`: it is not an ONNX model that ONNX Runtime {version} can load: {why}", path.display())]
    ModelInvalid {
        /// The model file.
        path: PathBuf,
        /// Version of the library.
        version: String,
        /// What ONNX Runtime says.
        why: String,
    },
    /// The library was not built for a provider.
    #[error(
        "{provider} is not in ONNX Runtime {version} (`{}`), which has {}: install a build that has it, or add `cpu` to `serving.providers` to have the CPU stand in",
        library.display(), crate::provider::words(there)
    )]
    ProviderMissing {
        /// Which.
        provider: crate::Provider,
        /// The library.
        library: PathBuf,
        /// Its version.
        version: String,
        /// What it has.
        there: Vec<crate::Provider>,
    },
    /// The model has inputs or outputs that cannot be served.
    #[error("load model `{}`: {why}", path.display())]
    ModelUnsupported {
        /// The model file.
        path: PathBuf,
        /// Which, and what to do.
        why: String,
    },
    /// A version's transform or golden requests do not fit its model.
    #[error("open version `{}`: {what}", path.display())]
    VersionUnfit {
        /// The file at fault.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The model failed on these inputs.
    #[error("run model `{}`: {why}", path.display())]
    Run {
        /// The model file.
        path: PathBuf,
        /// What ONNX Runtime says.
        why: String,
    },
    /// The inputs are not what the model takes.
    #[error(transparent)]
    Input(#[from] InputFault),
}

/// Inputs that do not fit what a version takes: the sender's mistake.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InputFault {
    /// No such input.
    #[error("unexpected inference input '{name}': the inputs are {}", expected.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        expected: Vec<String>,
    },
    /// An input is not there.
    #[error("inference input '{name}' ({datatype}) is missing: got {}", if got.is_empty() { "none".to_owned() } else { got.join(", ") })]
    Missing {
        /// The name.
        name: String,
        /// Its type.
        datatype: Datatype,
        /// The names that were there.
        got: Vec<String>,
    },
    /// An input is there twice.
    #[error("inference input '{name}' is given twice")]
    Repeated {
        /// The name.
        name: String,
    },
    /// Another type.
    #[error("inference input '{name}' must have datatype {expected}, got {got}")]
    Datatype {
        /// The input.
        name: String,
        /// What it must be.
        expected: Datatype,
        /// What it is.
        got: Datatype,
    },
    /// Another shape.
    #[error("inference input '{name}' must have shape {expected:?} (-1 is any), got {got:?}")]
    Shape {
        /// The input.
        name: String,
        /// What it must be.
        expected: Vec<i64>,
        /// What it is.
        got: Vec<i64>,
    },
    /// Shape and values disagree.
    #[error("inference input '{name}' has shape {shape:?}, which is {expected} values, got {got}")]
    Count {
        /// The input.
        name: String,
        /// Its shape.
        shape: Vec<i64>,
        /// Values by the shape.
        expected: String,
        /// Values there.
        got: usize,
    },
    /// Inputs of different numbers of rows.
    #[error("inference input '{name}' has {got} rows, others have {expected}")]
    Rows {
        /// The input.
        name: String,
        /// Rows of the others.
        expected: usize,
        /// Its rows.
        got: usize,
    },
    /// A value of another type.
    #[error("inference input '{name}' must hold {expected}, got {got} at index {index}")]
    Value {
        /// The input.
        name: String,
        /// What it must hold.
        expected: Datatype,
        /// What was there.
        got: String,
        /// Where.
        index: usize,
    },
    /// A null where none may be.
    #[error("inference input '{name}' is null at index {index}: it is required")]
    Null {
        /// The input.
        name: String,
        /// Where.
        index: usize,
    },
    /// A text that the model cannot take.
    #[error("inference input '{name}' has a zero byte in the text at index {index}")]
    ZeroByte {
        /// The input.
        name: String,
        /// Where.
        index: usize,
    },
    /// No values, and the model cannot answer that.
    #[error("inference input '{name}' has no values, which this model does not take: {why}")]
    Empty {
        /// The input.
        name: String,
        /// What ONNX Runtime says.
        why: String,
    },
    /// A row that the model does not answer.
    #[error("{0}")]
    Row(String),
    /// It asks for reasons that are not to be had.
    #[error("explain: {0}")]
    Explain(String),
    /// No such output.
    #[error("unexpected inference output '{name}': the outputs are {}", expected.join(", "))]
    UnknownOutput {
        /// The name.
        name: String,
        /// The names there are.
        expected: Vec<String>,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The request is wrong; every version with these inputs would say so.
    #[error(transparent)]
    Request(#[from] InputFault),
    /// This version cannot compute its inputs from a record that is as declared.
    #[error("refused by this version: {0}")]
    Refused(Box<Refusal>),
    /// The model failed.
    #[error(transparent)]
    Failed(RuntimeError),
}

impl InferError {
    /// The HTTP status: 400 for the request, 422 for a record that this version refuses, 500 for a failure.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            InferError::Request(_) => 400,
            InferError::Refused(_) => 422,
            InferError::Failed(_) => 500,
        }
    }

    /// Whether the version is at fault, so that it counts as its error.
    #[must_use]
    pub fn is_version_fault(&self) -> bool {
        match self {
            InferError::Request(_) => false,
            InferError::Refused(_) | InferError::Failed(_) => true,
        }
    }
}

impl From<RuntimeError> for InferError {
    fn from(error: RuntimeError) -> InferError {
        match error {
            RuntimeError::Input(fault) => InferError::Request(fault),
            other => InferError::Failed(other),
        }
    }
}
