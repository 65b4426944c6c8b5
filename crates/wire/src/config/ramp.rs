//! The bands of a strategy: changes of low risk take another one.

use super::check::{Check, join};
use super::read::View;
use super::rules::named;
use crate::yaml::Node;
use tidegate_core::risk::Band;

pub(super) fn bands(view: View<'_>) -> Vec<Band> {
    let band = |view: View<'_>| Some(Band { below: view.at("below").number()?, release: view.at("release").text()? });
    view.items().into_iter().filter_map(band).collect()
}

/// A strategy and those that its bands lead to.
pub(super) fn reachable(root: &Node, name: &str) -> Vec<String> {
    let strategy = root.get("releases").and_then(|all| all.get(name));
    let bands = strategy.and_then(|strategy| strategy.get("by_risk")).and_then(Node::as_seq).unwrap_or(&[]);
    let others = bands.iter().filter_map(|band| Some(band.get("release")?.text()?.into_owned()));
    std::iter::once(name.to_owned()).chain(others).collect()
}

impl Check<'_> {
    /// Bands grow, and lead to strategies that lead nowhere else.
    pub(super) fn ramps(&mut self) {
        let root = self.root;
        for (name, _, strategy) in named(root, "releases") {
            let path = join(&join("releases", &name), "by_risk");
            let bands = strategy.get("by_risk").and_then(Node::as_seq).unwrap_or(&[]);
            let mut last = 0.0;
            for (i, band) in bands.iter().enumerate() {
                let here = format!("{path}[{i}]");
                if let Some((at, below)) = band.get("below").and_then(|at| Some((at, super::check::number_of(at)?))) {
                    if below <= last {
                        self.say(at, &join(&here, "below"), "bands grow: each `below` is larger than the one before", None);
                    }
                    last = below;
                }
                let Some((at, other)) = band.get("release").and_then(|at| Some((at, at.text()?.into_owned()))) else { continue };
                if other == name {
                    self.say(at, &join(&here, "release"), "this is the strategy itself, which all other changes take", None);
                } else if root.get("releases").and_then(|all| all.get(&other)).is_some_and(|s| s.get("by_risk").is_some()) {
                    let help = "name a strategy that has no `by_risk`";
                    self.say(at, &join(&here, "release"), &format!("`{other}` has bands of its own"), Some(help));
                }
            }
        }
    }
}
