//! House rules as a program. `cargo xtask tidy` holds the tree against them; `cargo test -p xtask` does the same.

mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy [RULE]   hold the tree against the house rules, or against one of them
       cargo xtask rules         list the rules";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => run(None),
        ["tidy", rule] => run(Some(rule)),
        ["rules"] => {
            for rule in tidy::RULES {
                println!("{:12} {}", rule.name, rule.what);
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(only: Option<&str>) -> ExitCode {
    if let Some(name) = only.filter(|name| !tidy::RULES.iter().any(|rule| rule.name == *name)) {
        eprintln!("there is no rule `{name}`\n{USAGE}");
        return ExitCode::from(2);
    }
    let tree = match tidy::Tree::read(root()) {
        Ok(tree) => tree,
        Err(e) => {
            eprintln!("cannot read the tree at {}: {e}", root().display());
            return ExitCode::from(2);
        }
    };
    let findings = tidy::check(&tree, only);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} rules, {} findings", tree.files.len(), tidy::RULES.len(), findings.len());
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The workspace's folder: above this package's.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
