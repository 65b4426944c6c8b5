//! One ONNX file, loaded, with its signature.

use crate::library::loaded;
use crate::{InputFault, RuntimeError, Tensor, TensorData, convert};
use ort::logging::LogLevel;
use ort::session::{Session, SessionInputValue};
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_core::model::{Signature, TensorSpec};

/// Longest model file that is read.
pub const MODEL_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Copies of a model that one process may keep for threads that run it at the same time.
pub const SESSIONS_MAX: usize = 64;

/// A model that can run.
#[derive(Debug)]
pub struct Model {
    path: PathBuf,
    signature: Signature,
    /// A session runs one call at a time; several sessions serve several threads.
    sessions: Vec<Mutex<Session>>,
    next: AtomicUsize,
}

impl Model {
    /// Loads an ONNX file with one session.
    ///
    /// # Errors
    /// When the library is not loaded, the file is no ONNX model, or has inputs or outputs that are no tensors.
    pub fn load(path: &Path) -> Result<Model, RuntimeError> {
        Model::load_with(path, NonZero::<usize>::MIN)
    }

    /// Loads an ONNX file with `sessions` single-threaded sessions, so that as many threads can run it at once.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(path: &Path, sessions: NonZero<usize>) -> Result<Model, RuntimeError> {
        let (info, environment) = loaded().ok_or_else(|| RuntimeError::NotInitialised { path: path.to_owned() })?;
        let bytes = read(path)?;
        let open = || -> ort::Result<Session> {
            Session::builder(environment)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_log_level(LogLevel::Error)?
                .commit_from_memory(&bytes)
        };
        let invalid =
            |error: ort::Error| RuntimeError::ModelInvalid { path: path.to_owned(), version: info.version.clone(), why: error.to_string() };
        let first = open().map_err(invalid)?;
        let signature = signature(&first).map_err(|why| RuntimeError::ModelUnsupported { path: path.to_owned(), why })?;
        let mut all = vec![Mutex::new(first)];
        for _ in 1..sessions.get().min(SESSIONS_MAX) {
            all.push(Mutex::new(open().map_err(invalid)?));
        }
        Ok(Model { path: path.to_owned(), signature, sessions: all, next: AtomicUsize::new(0) })
    }

    /// Inputs and outputs: names, datatypes, shapes with -1 for a dimension of any length.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the model; several threads may do so.
    ///
    /// # Errors
    /// When an input has a wrong name, datatype or shape, or the model fails.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RuntimeError> {
        self.check(inputs)?;
        let failed = |error: ort::Error| RuntimeError::Run { path: self.path.clone(), why: error.to_string() };
        let values: Vec<(&str, SessionInputValue<'_>)> = inputs
            .iter()
            .map(|tensor| Ok((tensor.name.as_str(), convert::to_runtime(tensor)?)))
            .collect::<ort::Result<_>>()
            .map_err(failed)?;
        let mut session = self.session();
        let outputs = session.run(values).map_err(|error| match inputs.iter().find(|tensor| tensor.data.is_empty()) {
            Some(empty) => InputFault::Empty { name: empty.name.clone(), why: error.to_string() }.into(),
            None => failed(error),
        })?;
        let mut copied = Vec::with_capacity(self.signature.outputs.len());
        for spec in &self.signature.outputs {
            let value = outputs
                .get(&spec.name)
                .ok_or_else(|| RuntimeError::Run { path: self.path.clone(), why: format!("it gave no output `{}`", spec.name) })?;
            copied.push(convert::from_runtime(spec, value).map_err(failed)?);
        }
        Ok(copied)
    }

    /// A free session, else the next in turn.
    fn session(&self) -> MutexGuard<'_, Session> {
        let start = if self.sessions.len() > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let count = self.sessions.len();
        for offset in 0..count {
            if let Some(Ok(session)) = self.sessions.get((start.wrapping_add(offset)) % count).map(Mutex::try_lock) {
                return session;
            }
        }
        // A session holds no state of ours that a panic could leave half-written.
        #[expect(clippy::indexing_slicing, reason = "`load_with` makes at least one session; a remainder is below the count")]
        self.sessions[start % count].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, inputs: &[Tensor]) -> Result<(), InputFault> {
        for (index, tensor) in inputs.iter().enumerate() {
            let spec = self
                .signature
                .inputs
                .iter()
                .find(|spec| spec.name == tensor.name)
                .ok_or_else(|| InputFault::Unknown { name: tensor.name.clone(), expected: names(&self.signature.inputs) })?;
            if inputs.iter().take(index).any(|other| other.name == tensor.name) {
                return Err(InputFault::Repeated { name: tensor.name.clone() });
            }
            fits(tensor, spec)?;
        }
        match self.signature.inputs.iter().find(|spec| !inputs.iter().any(|tensor| tensor.name == spec.name)) {
            None => Ok(()),
            Some(spec) => Err(InputFault::Missing {
                name: spec.name.clone(),
                datatype: spec.datatype,
                got: inputs.iter().map(|tensor| tensor.name.clone()).collect(),
            }),
        }
    }
}

/// Names of some tensors.
pub(crate) fn names(specs: &[TensorSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.clone()).collect()
}

fn fits(tensor: &Tensor, spec: &TensorSpec) -> Result<(), InputFault> {
    let name = || tensor.name.clone();
    if tensor.datatype() != spec.datatype {
        return Err(InputFault::Datatype { name: name(), expected: spec.datatype, got: tensor.datatype() });
    }
    let alike = |(wanted, got): (&i64, &i64)| *wanted < 0 || wanted == got;
    let same_rank = tensor.shape.len() == spec.shape.len();
    // A dimension of zero is allowed where the model takes any: what it makes of no values it says itself.
    let wrong = !same_rank || tensor.shape.iter().any(|d| *d < 0) || !spec.shape.iter().zip(&tensor.shape).all(alike);
    if wrong {
        return Err(InputFault::Shape { name: name(), expected: spec.shape.clone(), got: tensor.shape.clone() });
    }
    tensor.check()?;
    if let Some(index) = tensor.missing.iter().position(|missing| *missing) {
        return Err(InputFault::Null { name: name(), index });
    }
    if let TensorData::Bytes(texts) = &tensor.data
        && let Some(index) = texts.iter().position(|text| text.contains('\0'))
    {
        return Err(InputFault::ZeroByte { name: name(), index });
    }
    Ok(())
}

fn signature(session: &Session) -> Result<Signature, String> {
    let inputs = session.inputs().iter().map(|input| convert::spec(input.name(), input.dtype())).collect::<Result<Vec<_>, _>>();
    let outputs = session.outputs().iter().map(|output| convert::spec(output.name(), output.dtype())).collect::<Result<Vec<_>, _>>();
    Ok(Signature { inputs: inputs.map_err(|why| format!("input {why}"))?, outputs: outputs.map_err(|why| format!("output {why}"))? })
}

/// Reads the file first, so that a directory, an empty or a huge file gets a sentence of its own.
fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    let failed = |source| RuntimeError::Read { path: path.to_owned(), source };
    let unfit = |why: String| RuntimeError::ModelUnsupported { path: path.to_owned(), why };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MODEL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.is_empty() {
        return Err(unfit("the file is empty".to_owned()));
    }
    if bytes.len() as u64 > MODEL_BYTES_MAX {
        return Err(unfit(format!("the file is longer than {MODEL_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
