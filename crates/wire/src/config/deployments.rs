//! `deployments` of tidegate.yaml: as values, and what of them spans several keys.

use super::check::{Check, join};
use super::read::View;
use super::rules::named;
use crate::yaml::Node;
use indexmap::IndexMap;
use std::collections::HashMap;
use tidegate_core::deployment::VersionBy;

/// Deployments that another tool holds until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The tool.
    pub tool: Tool,
    /// Repository or project, as `acme/shop`.
    pub path: String,
    /// Address of its API, without a slash at its end.
    pub api: String,
    /// The variable with the webhook's secret.
    pub secret: String,
    /// The service.
    pub service: String,
    /// Which version it is.
    pub version: VersionBy,
    /// What decides.
    pub asks: Asks,
    /// How long it may wait.
    pub within_ms: u64,
    /// People by the tool's logins.
    pub logins: IndexMap<String, String>,
}

impl Deployment {
    /// Who somebody of the tool is here; logins are the same in capitals.
    #[must_use]
    pub fn person(&self, login: &str) -> Option<&String> {
        self.logins.iter().find(|(known, _)| known.eq_ignore_ascii_case(login)).map(|(_, person)| person)
    }
}

/// The tool that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// A deployment protection rule of GitHub.
    Github {
        /// The environment.
        environment: String,
        /// How we are let in.
        entry: GithubEntry,
        /// Whether it is told what becomes of a release.
        statuses: bool,
    },
    /// An approval of GitLab.
    Gitlab {
        /// The environment.
        environment: String,
        /// The variable with the token.
        token: String,
        /// In whose name it is approved.
        represented_as: Option<String>,
    },
    /// An external status check of GitLab.
    GitlabCheck {
        /// Its name.
        check: String,
        /// The variable with the token.
        token: String,
    },
}

/// How GitHub lets us in. Secrets are in environment variables, whose names these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GithubEntry {
    /// By a token.
    Token(String),
    /// As an App, which gets itself tokens.
    App {
        /// Its id.
        id: String,
        /// The variable with its private key.
        key: String,
    },
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Whether the version may be released now.
    Approvals,
    /// Its gates alone.
    Gates,
    /// A judgement that was begun.
    Judge {
        /// Of `judges`.
        judge: String,
        /// Its subject, with names in `{{..}}`.
        subject: String,
    },
}

pub(super) fn deployment(view: View<'_>) -> Deployment {
    let marker = |key: &str| view.at(key).text();
    let (environment, token) = (view.owned("environment"), view.owned("token"));
    let (tool, path) = if let Some(path) = marker("github") {
        let entry = match (view.at("app").text(), view.at("token").text()) {
            (Some(id), _) => GithubEntry::App { id, key: view.owned("key") },
            (None, token) => GithubEntry::Token(token.unwrap_or_default()),
        };
        (Tool::Github { environment, entry, statuses: view.at("statuses").word("release") }, path)
    } else if let Some(path) = marker("gitlab") {
        (Tool::Gitlab { environment, token, represented_as: view.at("represented_as").text() }, path)
    } else {
        (Tool::GitlabCheck { check: view.owned("check"), token }, view.owned("gitlab_check"))
    };
    let asks = match view.owned("asks").as_str() {
        "gates" => Asks::Gates,
        "judge" => Asks::Judge { judge: view.owned("judge"), subject: view.owned("subject") },
        _ => Asks::Approvals,
    };
    Deployment {
        tool,
        path,
        api: view.owned("api").trim_end_matches('/').to_owned(),
        secret: view.owned("secret"),
        service: view.owned("service"),
        version: VersionBy::parse(&view.owned("version")).unwrap_or(VersionBy::Newest),
        asks,
        within_ms: view.at("within").ms().unwrap_or_default(),
        logins: view.at("logins").named(|_, v| v.text().unwrap_or_default()),
    }
}

impl Check<'_> {
    /// That each question is about one deployment: only the first would be asked.
    pub(super) fn deployments(&mut self) {
        let mut seen: HashMap<[String; 4], String> = HashMap::new();
        for (name, key, node) in named(self.root, "deployments") {
            let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default().into_owned();
            let Some(tool) = ["github", "gitlab", "gitlab_check"].into_iter().find(|tool| node.get(tool).is_some()) else { continue };
            let of = if tool == "gitlab_check" { "check" } else { "environment" };
            let api = text("api").trim_end_matches('/').to_ascii_lowercase();
            let same = [tool.to_owned(), text(tool).to_ascii_lowercase(), text(of), api];
            match seen.get(&same) {
                Some(first) => {
                    let why = format!("`{first}` is of the same `{tool}`, `{of}` and `api`: only that one would be asked");
                    self.say(key, &join("deployments", &name), &why, Some("take one of them out"));
                }
                None => drop(seen.insert(same, name)),
            }
        }
    }

    /// What of a deployment spans several keys.
    pub(super) fn deployment(&mut self, path: &str, key: &Node, node: &Node) {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let service = text("service").and_then(|name| self.root.get("services")?.get(&name));
        if let (Some(at), true) = (node.get("service"), service.is_some_and(|s| s.entry("environments").is_some())) {
            let why = "it runs in several environments, and this is about one of them";
            self.say(at, &join(path, "service"), why, Some("name it with the environment, as `NAME@ENVIRONMENT`"));
        }
        for name in ["github", "gitlab", "gitlab_check"] {
            let Some((value, text)) = node.get(name).and_then(|v| Some((v, v.text()?))) else { continue };
            let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            let parts: Vec<&str> = text.split('/').collect();
            let whole = parts.len() >= 2 && parts.iter().all(|part| plain(part) && !matches!(*part, "." | ".."));
            if !whole || (name == "github" && parts.len() > 2) {
                self.say(value, &join(path, name), "it is no path of a repository, as `acme/shop`", None);
            }
        }
        if let (Some(value), Some(api)) = (node.get("api"), text("api")) {
            let rest = api.strip_prefix("https://").or_else(|| api.strip_prefix("http://"));
            let host = rest.map(|rest| rest.split('/').next().unwrap_or_default()).unwrap_or_default();
            if host.is_empty() || api.contains(['@', '?', '#', ' ', '\\']) || api.contains("..") {
                self.say(value, &join(path, "api"), "it is no plain address of an API, as `https://github.example.org/api/v3`", None);
            }
        }
        if let (Some(value), Some(Err(why))) = (node.get("version"), text("version").map(|t| VersionBy::parse(&t))) {
            self.say(value, &join(path, "version"), &why, Some("write `newest`, `commit` or a pattern, as `v{version}`"));
        }
        let judges = text("asks").as_deref() == Some("judge");
        match (judges, node.entry("judge")) {
            (true, None) => self.say(key, path, "`asks: judge` needs `judge`", Some("give `judge: NAME` of a name under `judges`")),
            (false, Some((at, _))) => self.say(at, path, "`judge` is given, and `asks` is not `judge`", Some("take one of them out")),
            _ => {}
        }
        if node.get("github").is_some() {
            let app = node.get("app").is_some() && node.get("key").is_some();
            let half = node.get("app").is_some() != node.get("key").is_some();
            if half || app == node.get("token").is_some() {
                let help = "give `token: VARIABLE`, or both `app: ID` and `key: VARIABLE`";
                self.say(key, path, "one of `token`, and `app` with `key`, says how GitHub lets us in", Some(help));
            }
        }
    }
}
