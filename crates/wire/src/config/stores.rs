//! Where the journal lies, and what several control planes share: as values, and what of it spans several keys.

use super::check::Check;
use super::read::View;
use super::rules::named;
use crate::yaml::{self, Node};
use std::path::{Path, PathBuf};

/// Where a workspace keeps what it must not lose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stores {
    /// Name of the environment variable with the address of a PostgreSQL; none: a file beside the workspace.
    pub postgres: Option<String>,
    /// Folder that all replicas mount; none: this control plane is alone.
    pub shared: Option<PathBuf>,
}

pub(super) fn stores(file: View<'_>) -> Stores {
    Stores { postgres: file.at("journal").at("postgres").text(), shared: file.at("replicas").at("shared").text().map(PathBuf::from) }
}

/// Of a file that may have mistakes elsewhere: whoever looks at the journal needs nothing but its place.
///
/// # Errors
/// Where the text is no YAML.
pub fn stores_of(text: &str) -> Result<Stores, String> {
    let root = yaml::parse(text).map_err(|e| format!("line {}: {}", e.line, e.message))?;
    Ok(stores(View(Some(&root))))
}

impl Check<'_> {
    pub(super) fn stores(&mut self) {
        let root = self.root;
        let Some((at, replicas)) = root.entry("replicas") else { return };
        if replicas.get("shared").and_then(Node::text).is_some_and(|shared| !Path::new(shared.as_ref()).is_absolute()) {
            self.say(at, "replicas.shared", "it is no absolute path: all replicas find the folder at the same place", None);
        }
        if root.get("journal").is_none() {
            let help = "add `journal: { postgres: VARIABLE }`: a file cannot be shared";
            self.say(at, "replicas", "replicas share a journal on PostgreSQL, and none is named", Some(help));
        }
        for (name, key, service) in named(root, "services") {
            let places = service.get("environments").and_then(Node::as_map).unwrap_or(&[]);
            let driven = |node: &Node| node.get("driver").is_some();
            if !driven(service) && (places.is_empty() || !places.iter().all(|(_, place)| driven(place))) {
                let help = "give it a `driver`, or take `replicas` out: a replica ends with its lease, and requests must not end with it";
                self.say(key, &format!("services.{name}"), "replicas release services that a driver serves, and it has none", Some(help));
            }
        }
    }
}
