//! tidegate.yaml as data: what loads, what is refused and in which words.

mod around;
mod drivers;
mod environments;
mod events;
mod features;
mod gateway;
mod generated;
mod guardrails;
mod init;
mod loads;
mod mistakes;
mod risk;
mod rules;
mod steps;
mod values;

use super::{RepoScan, Workspace, load_in, scan};

/// The file of the design, whole.
const FLIGHTS: &str = include_str!("flights.yaml");

fn loaded(text: &str) -> Workspace {
    match load_in(text, "tidegate.yaml", None) {
        Ok(workspace) => workspace,
        Err(problems) => panic!("{problems}"),
    }
}

/// A repository with these files.
fn repo(files: &[(&str, &str)]) -> RepoScan {
    let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    scan("shop", &names, &|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
}
