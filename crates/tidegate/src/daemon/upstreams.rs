//! Upstreams as the data plane takes them: from the configuration, with secrets from the environment.

use crate::exit::{self, failure};
use crate::surroundings;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_serve::remote::{Address, Secret, Upstream};
use tidegate_wire::config::Workspace;

/// Upstreams by their names.
pub type Upstreams = BTreeMap<String, Upstream>;

/// All that are configured; `root` is the workspace's folder.
///
/// # Errors
/// When an address is none, or a token's variable is not set.
pub fn all(config: &Workspace, root: &Path) -> Result<Upstreams> {
    config.upstreams.keys().map(|name| Ok((name.clone(), named(config, root, name)?))).collect()
}

/// One of them.
///
/// # Errors
/// As [`all`], and when there is none of that name.
pub fn named(config: &Workspace, root: &Path, name: &str) -> Result<Upstream> {
    let Some(written) = config.upstreams.get(name) else {
        let message = format!("upstream {name}: tidegate.yaml has none of that name: write its servers under `upstreams.{name}`");
        return Err(failure(exit::USAGE, message));
    };
    let addresses = |texts: &[String]| -> Result<Vec<Address>> {
        let parsed = texts.iter().map(|text| Address::parse(text));
        parsed.collect::<Result<_, _>>().map_err(|why| failure(exit::USAGE, format!("upstream {name}: {why}")))
    };
    let token = match &written.token {
        None => None,
        Some(variable) => {
            Some(Secret(surroundings::secret(variable).map_err(|why| failure(exit::USAGE, format!("upstream {name}: {why}")))?))
        }
    };
    Ok(Upstream {
        standby: addresses(&written.standby)?,
        burst: written.burst,
        token,
        ca: written.ca.as_ref().map(|file| root.join(file)),
        in_flight_max: usize::try_from(written.requests).unwrap_or(usize::MAX),
        panic_bp: written.panic_below_bp,
        probe_every_ms: written.probe_ms,
        golden_every_ms: written.golden_ms,
        ..Upstream::new(name, addresses(&written.servers)?)
    })
}
