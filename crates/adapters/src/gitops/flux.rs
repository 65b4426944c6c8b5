//! Flux: whether a commit is applied, by the `Kustomization` that applies it, the `HelmRelease` that deploys it, or both.
//!
//! Not here: what their status means (`wire::flux`), and commits (`super`).

use crate::kubernetes::Cluster;
use crate::traffic::Standing;
use serde_json::Value;
use tidegate_port::Failure;
use tidegate_wire::config::Flux;
use tidegate_wire::flux::{applied, commit_of, deployed, taken};
use tidegate_wire::kubernetes::Progress;

/// Who is asked.
pub struct Asked<'a> {
    /// The cluster that Flux runs in.
    pub cluster: &'a Cluster,
    /// What in it.
    pub to: &'a Flux,
}

impl Asked<'_> {
    fn read(&self, group: &str, (namespace, kind, name): (&str, &str, &str)) -> Result<Value, Failure> {
        self.cluster.get(&format!("/apis/{group}/namespaces/{namespace}/{kind}/{name}"))
    }

    /// Whether what was committed is applied; `has` says whether a commit has it in it.
    ///
    /// # Errors
    /// When nothing is known of it now.
    pub fn followed(&self, back: bool, has: &dyn Fn(&str) -> Result<bool, Failure>) -> Result<Standing, Failure> {
        let (to, space) = (self.to, self.to.server.namespace.as_str());
        if let Some(name) = &to.kustomization {
            let object = self.read("kustomize.toolkit.fluxcd.io/v1", (space, "kustomizations", name))?;
            let standing = one(&format!("Kustomization {name}"), taken(&object, back), &applied(&object, back), has)?;
            if standing != Standing::There {
                return Ok(standing);
            }
        }
        let Some(name) = &to.helm_release else { return Ok(Standing::There) };
        // Read after the Kustomization: what that has applied is what it asks for.
        let space = to.helm_namespace.as_deref().unwrap_or(space);
        let object = self.read("helm.toolkit.fluxcd.io/v2", (space, "helmreleases", name))?;
        let (what, progress) = (format!("HelmRelease {name}"), taken(&object, back));
        if to.kustomization.is_some() {
            return Ok(standing_of(&what, progress));
        }
        one(&what, progress, deployed(&object).as_slice(), has)
    }
}

fn standing_of(what: &str, progress: Progress) -> Standing {
    match progress {
        Progress::There => Standing::There,
        Progress::Coming(why) => Standing::Coming(format!("{what}: {why}")),
        Progress::Failed(why) => Standing::Failed(format!("{what}: {why}")),
    }
}

/// An object that names revisions: one of them has to have the commit, and then what it says of itself counts.
fn one(what: &str, progress: Progress, revisions: &[&str], has: &dyn Fn(&str) -> Result<bool, Failure>) -> Result<Standing, Failure> {
    if let Progress::Failed(_) = progress {
        return Ok(standing_of(what, progress));
    }
    for revision in revisions {
        if let Some(commit) = commit_of(revision)
            && has(commit)?
        {
            return Ok(standing_of(what, progress));
        }
    }
    let at = revisions.first().copied().unwrap_or("nothing");
    let names = revisions.is_empty() || revisions.iter().any(|revision| commit_of(revision).is_some());
    let help = ", which names no commit: name the `kustomization` that applies it, or give its chart `reconcileStrategy: Revision`";
    let said = if let Progress::Coming(why) = progress { format!("; {why}") } else { String::new() };
    Ok(Standing::Coming(format!("{what}: it is at {at}{}{said}", if names { "" } else { help })))
}
