//! A worker's command line, written by the pool and read by the worker.

use crate::conduct::Conduct;
use std::path::PathBuf;
use tidegate_core::route::Role;

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerArguments {
    /// Directory of the version: a model file, `transform.json`, `golden.json`.
    pub dir: PathBuf,
    /// ONNX Runtime's shared library; loaded where the model is of ONNX.
    pub library: PathBuf,
    /// The model's name in the protocol.
    pub model: String,
    /// Version.
    pub version: String,
    /// Why it runs; shown in process listings only.
    pub role: Role,
    /// How it answers.
    pub conduct: Conduct,
}

/// A command line that a worker cannot run by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// An argument that is not one.
    #[error("start a worker: unknown argument `{0}`: it takes --dir, --library, --model, --version, --role and --conduct")]
    Unknown(String),
    /// An argument without a value.
    #[error("start a worker: `{0}` needs a value")]
    NoValue(String),
    /// An argument is missing.
    #[error("start a worker: `{0}` is missing")]
    Missing(&'static str),
    /// A conduct that is none.
    #[error("start a worker: `--conduct` cannot be read: {0}")]
    Conduct(String),
    /// A role that is none.
    #[error("start a worker: role `{0}` is none of stable, candidate, control")]
    Role(String),
}

impl WorkerArguments {
    /// Reads a command line, without the program and the word `worker`.
    ///
    /// # Errors
    /// When an argument is unknown, missing or without a value.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<WorkerArguments, ArgumentsError> {
        let (mut dir, mut library, mut model, mut version, mut role, mut conduct) = (None, None, None, None, None, None);
        let mut rest = arguments.into_iter();
        while let Some(name) = rest.next() {
            let slot = match name.as_str() {
                "--dir" => &mut dir,
                "--library" => &mut library,
                "--model" => &mut model,
                "--version" => &mut version,
                "--role" => &mut role,
                "--conduct" => &mut conduct,
                _ => return Err(ArgumentsError::Unknown(name)),
            };
            *slot = Some(rest.next().ok_or(ArgumentsError::NoValue(name))?);
        }
        let role = role.ok_or(ArgumentsError::Missing("--role"))?;
        Ok(WorkerArguments {
            dir: dir.ok_or(ArgumentsError::Missing("--dir"))?.into(),
            library: library.ok_or(ArgumentsError::Missing("--library"))?.into(),
            model: model.ok_or(ArgumentsError::Missing("--model"))?,
            version: version.ok_or(ArgumentsError::Missing("--version"))?,
            role: Role::parse(&role).ok_or(ArgumentsError::Role(role))?,
            conduct: match conduct {
                None => Conduct::default(),
                Some(text) => serde_json::from_str(&text).map_err(|error| ArgumentsError::Conduct(error.to_string()))?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(line: &str) -> String {
        match WorkerArguments::parse(line.split_whitespace().map(str::to_owned)) {
            Ok(arguments) => format!("{arguments:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_command_line_is_read_or_refused_by_name() {
        let whole = says(r#"--dir d --library l --model m --version 2 --role candidate --conduct {"scan":{"card":"mask"}}"#);
        let conduct = r#"Conduct { scan: Rules({Card: Mask}), promise: Promise({}), batch: None, queue_ms_max: 2000, golden_every_ms: 5000, in_process: false, explain: true, memory_bytes_max: None, execution: Execution { providers: [Cpu], threads: 1 } }"#;
        assert_eq!(
            whole,
            format!(r#"WorkerArguments {{ dir: "d", library: "l", model: "m", version: "2", role: Candidate, conduct: {conduct} }}"#)
        );
        let unread = says("--dir d --library l --model m --version 2 --role stable --conduct {}x");
        assert!(unread.starts_with("start a worker: `--conduct` cannot be read"), "{unread}");
        assert_eq!(says("--dir d --library l --model m --role stable"), "start a worker: `--version` is missing");
        assert_eq!(says("--dir"), "start a worker: `--dir` needs a value");
        assert_eq!(
            says("--sock s"),
            "start a worker: unknown argument `--sock`: it takes --dir, --library, --model, --version, --role and --conduct"
        );
        assert_eq!(
            says("--dir d --library l --model m --version 2 --role x"),
            "start a worker: role `x` is none of stable, candidate, control"
        );
    }
}
