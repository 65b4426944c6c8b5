//! Workflows for GitHub, GitLab and Jenkins: matrix, cache, gates, report, triggers by path and schedule.
//!
//! Text in, text out: the frames lie beside this file and are filled with what the repository has. Not here: writing files.

use std::fmt::Write as _;

/// A system that runs workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Jenkins, a declarative pipeline.
    Jenkins,
}

/// What the repository has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repo {
    /// Paths whose change starts a run.
    pub paths: Vec<String>,
    /// Files of Python requirements.
    pub requirements: Vec<String>,
    /// It has tests for pytest.
    pub pytest: bool,
    /// It has models with gates.
    pub gates: bool,
    /// It has datasets with contracts.
    pub contracts: bool,
    /// It has a remote for its data.
    pub remote: bool,
    /// It has a pipeline.
    pub pipeline: bool,
    /// Label of the machines that train, as `gpu`; none: the system's own.
    pub runner: Option<String>,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its place in the repository.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

const GITHUB: &str = include_str!("github.yml");
const GITHUB_PARTS: &str = include_str!("github-parts.yml");
const GITLAB: &str = include_str!("gitlab.yml");
const JENKINS: &str = include_str!("Jenkinsfile");

/// The workflow's files.
#[must_use]
pub fn workflow(system: System, repo: &Repo) -> Vec<Written> {
    match system {
        System::Github => vec![
            Written { path: ".github/workflows/tidegate.yml", text: filled(GITHUB, repo, "ubuntu-latest", "      - ") },
            Written { path: ".github/workflows/tidegate-part.yml", text: filled(GITHUB_PARTS, repo, "ubuntu-latest", "      - ") },
        ],
        System::Gitlab => vec![Written { path: ".gitlab-ci.yml", text: filled(GITLAB, repo, "", "        - ") }],
        System::Jenkins => vec![Written { path: "Jenkinsfile", text: filled(JENKINS, repo, "any", "") }],
    }
}

/// A frame with its lines `@WHEN gates|pytest|contracts|remote|pipeline|runner` kept or dropped, up to `@END`, and its words filled in.
fn filled(frame: &str, repo: &Repo, runner: &str, item: &str) -> String {
    let mut text = String::new();
    let mut keep = true;
    // Where nothing is judged, a report that must pass never would.
    let strict = if repo.gates || repo.contracts { " --strict" } else { "" };
    for line in frame.lines() {
        match line.trim().trim_start_matches("# ").trim_start_matches("// ").split_once(' ') {
            Some(("@WHEN", what)) => {
                keep = match what {
                    "gates" => repo.gates,
                    "pytest" => repo.pytest,
                    "contracts" => repo.contracts,
                    "remote" => repo.remote,
                    "pipeline" => repo.pipeline,
                    "runner" => repo.runner.is_some(),
                    _ => true,
                };
                continue;
            }
            Some(("@PATHS", _)) => {
                for path in &repo.paths {
                    let _ = writeln!(text, "{item}\"{}\"", path.replace('"', ""));
                }
                continue;
            }
            _ if line.trim().trim_start_matches("# ").trim_start_matches("// ") == "@END" => {
                keep = true;
                continue;
            }
            _ => {}
        }
        if keep {
            let requirements: Vec<String> = repo.requirements.iter().map(|r| format!("-r {r}")).collect();
            let install =
                if requirements.is_empty() { "echo no requirements".to_owned() } else { format!("pip install {}", requirements.join(" ")) };
            let line =
                line.replace("@RUNNER", repo.runner.as_deref().unwrap_or(runner)).replace("@INSTALL", &install).replace("@STRICT", strict);
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(all: bool) -> Repo {
        Repo {
            paths: vec!["dvc.yaml".into(), "src/**".into()],
            requirements: vec!["requirements.txt".into()],
            pytest: all,
            gates: all,
            contracts: all,
            remote: all,
            pipeline: all,
            runner: all.then(|| "gpu".to_owned()),
        }
    }

    #[test]
    fn every_workflow_is_filled_and_yaml_where_it_should_be() {
        for system in [System::Github, System::Gitlab, System::Jenkins] {
            for all in [true, false] {
                let files = workflow(system, &repo(all));
                for word in ["pytest", "tidegate pull", "tidegate push", "tidegate check", "tidegate gate"] {
                    assert_eq!(files.iter().any(|f| f.text.contains(word)), all, "{word}");
                }
                for file in files {
                    assert!(!file.text.contains("@WHEN") && !file.text.contains("@END") && !file.text.contains("@RUNNER"), "{}", file.text);
                    assert!(!file.text.contains("@PATHS") && !file.text.contains("@INSTALL"), "{}", file.text);
                    if file.path != "Jenkinsfile" {
                        crate::yaml::parse(&file.text).unwrap_or_else(|e| panic!("{}: {e}\n{}", file.path, file.text));
                    }
                }
            }
        }
    }
}
