//! `tidegate init`: a tidegate.yaml for a repository that exists.

use super::Context;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace::{self, CONFIG_FILE};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::Path;
use tidegate_wire::ci::{Repo, System, workflow};

/// Where and how.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Print it, write nothing
    #[arg(long)]
    print: bool,
    /// Write a workflow for this CI instead
    #[arg(long, value_enum, value_name = "SYSTEM")]
    ci: Option<Ci>,
    /// Label of the machines that train, as `gpu`
    #[arg(long, value_name = "LABEL", requires = "ci")]
    runner: Option<String>,
}

/// A system that runs workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ci {
    Github,
    Gitlab,
    Jenkins,
}

/// Carries it out.
pub fn init(context: &Context, args: &InitArgs) -> Result<u8> {
    let root = workspace::root_of(&context.dir)?;
    if let Some(ci) = args.ci {
        return write_ci(context, args, &root, ci);
    }
    let scan = workspace::scan(&root)?;
    let text = tidegate_wire::config::init(&scan);
    let path = root.join(CONFIG_FILE);
    if args.print {
        show::line(text.trim_end())?;
        return Ok(exit::OK);
    }
    if path.exists() {
        return Err(failure(
            exit::REFUSED,
            format!("write {}: it exists: edit it, or see with --print what would be written", path.display()),
        ));
    }
    tidegate_store::disk::replace_file(&path, text.as_bytes())?;
    if context.json {
        show::json(&serde_json::json!({ "wrote": path, "stages": scan.stages.len(), "metrics": scan.metrics.len() }))?;
    } else {
        show::line(&format!(
            "wrote {} ({} stages found); next: read it, then `tidegate config check`, `tidegate run`",
            path.display(),
            scan.stages.len()
        ))?;
    }
    Ok(exit::OK)
}

/// Writes the workflow's files; none of them over one that is there.
fn write_ci(context: &Context, args: &InitArgs, root: &Path, ci: Ci) -> Result<u8> {
    let there = |name: &str| root.join(name).exists();
    // A label goes into a file that other programs read: words alone.
    if let Some(label) =
        args.runner.as_deref().filter(|l| l.is_empty() || !l.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
    {
        return Err(failure(exit::USAGE, format!("write the workflow: `{label}` is no label of machines: letters, digits, `-`, `_`, `.`")));
    }
    let opened = if there(CONFIG_FILE) { Some(workspace::open(root)?.config) } else { None };
    let gates = opened.as_ref().is_some_and(|c| c.models.values().any(|m| !m.gates.is_empty()));
    let contracts = opened.as_ref().is_some_and(|c| c.data.values().any(|d| d.contract.is_some()));
    let remote = std::fs::read_to_string(root.join(".dvc/config")).is_ok_and(|text| text.contains("remote \""));
    let paths =
        [CONFIG_FILE, "dvc.yaml", "dvc.lock", "params.yaml", "requirements.txt"].into_iter().filter(|p| there(p)).map(str::to_owned);
    let folders = ["src", "tests", "data", "contracts"].into_iter().filter(|p| there(p)).map(|p| format!("{p}/**"));
    let mut paths: Vec<String> = paths.chain(folders).collect();
    if paths.is_empty() {
        paths.push("**".to_owned());
    }
    let requirements = ["requirements.txt", "requirements.lock"].into_iter().filter(|p| there(p)).take(1).map(str::to_owned).collect();
    let pytest = there("tests") || there("pytest.ini") || there("conftest.py");
    let (pipeline, runner) = (there("dvc.yaml") || there(CONFIG_FILE), args.runner.clone());
    let repo = Repo { paths, requirements, pytest, gates, contracts, remote, pipeline, runner };
    let files = workflow(
        match ci {
            Ci::Github => System::Github,
            Ci::Gitlab => System::Gitlab,
            Ci::Jenkins => System::Jenkins,
        },
        &repo,
    );
    if args.print {
        for file in &files {
            show::line(&format!("# {}\n{}", file.path, file.text.trim_end()))?;
        }
        return Ok(exit::OK);
    }
    if let Some(file) = files.iter().find(|f| there(f.path)) {
        return Err(failure(exit::REFUSED, format!("write {}: it exists: see with --print what would be written", file.path)));
    }
    for file in &files {
        let path = root.join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        tidegate_store::disk::replace_file(&path, file.text.as_bytes())?;
    }
    let names: Vec<&str> = files.iter().map(|f| f.path).collect();
    if context.json {
        show::json(&serde_json::json!({ "wrote": names }))?;
    } else {
        show::line(&format!("wrote {}; next: read it, commit it, and see that its machines have `tidegate`", names.join(", ")))?;
    }
    Ok(exit::OK)
}
