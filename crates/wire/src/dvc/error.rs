//! What is wrong in a file, each with its place; all of them at once.

use crate::yaml::{Node, YamlError};

/// One mistake and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A mistake at `node`.
    pub(super) fn at(node: &Node, message: impl Into<String>) -> Problem {
        Problem { line: node.line, column: node.column, message: message.into() }
    }
}

impl From<YamlError> for Problem {
    fn from(error: YamlError) -> Problem {
        Problem { line: error.line, column: error.column, message: error.message }
    }
}

/// All mistakes in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.file, .problems))]
pub struct DvcError {
    /// The file.
    pub file: String,
    /// The mistakes, in the order of the file.
    pub problems: Vec<Problem>,
}

impl DvcError {
    pub(super) fn one(file: &str, problem: impl Into<Problem>) -> DvcError {
        DvcError { file: file.to_owned(), problems: vec![problem.into()] }
    }

    pub(super) fn start(file: &str, message: impl Into<String>) -> DvcError {
        DvcError::one(file, Problem { line: 1, column: 1, message: message.into() })
    }
}

fn lines(file: &str, problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{file}:{}:{}: {}", p.line, p.column, p.message)).collect::<Vec<_>>().join("\n")
}
