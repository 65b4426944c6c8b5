//! An ONNX file as ONNX Runtime runs it.

use crate::library::loaded;
use crate::model::SESSIONS_MAX;
use crate::{Execution, InputFault, Provider, RuntimeError, Tensor, convert};
use ort::logging::LogLevel;
use ort::session::{Session, SessionInputValue};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_core::model::Signature;

/// Sessions of one file.
#[derive(Debug)]
pub(crate) struct Onnx {
    path: PathBuf,
    /// A session runs one call at a time; several sessions serve several threads.
    sessions: Vec<Mutex<Session>>,
    next: AtomicUsize,
    providers: Vec<Provider>,
}

impl Onnx {
    /// Loads a file with `sessions` sessions, so that as many threads can run it at once.
    pub(crate) fn load(
        path: &Path,
        bytes: &[u8],
        sessions: NonZero<usize>,
        execution: &Execution,
    ) -> Result<(Onnx, Signature), RuntimeError> {
        let (info, environment) = loaded().ok_or_else(|| RuntimeError::NotInitialised { path: path.to_owned() })?;
        let there = execution.providers_there(path)?;
        let open = || -> ort::Result<(Session, Vec<Provider>)> {
            let (mut builder, providers) = execution.apply(Session::builder(environment)?, &there)?;
            builder = builder.with_log_level(LogLevel::Error)?;
            Ok((builder.commit_from_memory(bytes)?, providers))
        };
        let invalid =
            |error: ort::Error| RuntimeError::ModelInvalid { path: path.to_owned(), version: info.version.clone(), why: error.to_string() };
        let (first, providers) = open().map_err(invalid)?;
        let signature = signature(&first).map_err(|why| RuntimeError::ModelUnsupported { path: path.to_owned(), why })?;
        let mut all = vec![Mutex::new(first)];
        for _ in 1..sessions.get().min(SESSIONS_MAX) {
            all.push(Mutex::new(open().map_err(invalid)?.0));
        }
        Ok((Onnx { path: path.to_owned(), sessions: all, next: AtomicUsize::new(0), providers }, signature))
    }

    /// Who carries it out, in their order.
    pub(crate) fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Runs the model on inputs that fit its signature.
    pub(crate) fn run(&self, signature: &Signature, inputs: &[Tensor]) -> Result<Vec<Tensor>, RuntimeError> {
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
        let mut copied = Vec::with_capacity(signature.outputs.len());
        for spec in &signature.outputs {
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
        #[expect(clippy::indexing_slicing, reason = "`load` makes at least one session; a remainder is below the count")]
        self.sessions[start % count].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signature(session: &Session) -> Result<Signature, String> {
    let inputs = session.inputs().iter().map(|input| convert::spec(input.name(), input.dtype())).collect::<Result<Vec<_>, _>>();
    let outputs = session.outputs().iter().map(|output| convert::spec(output.name(), output.dtype())).collect::<Result<Vec<_>, _>>();
    Ok(Signature { inputs: inputs.map_err(|why| format!("input {why}"))?, outputs: outputs.map_err(|why| format!("output {why}"))? })
}
