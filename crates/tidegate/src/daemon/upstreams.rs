//! Upstreams as the data plane takes them: from the configuration, with secrets from the environment.

use crate::exit::{self, failure};
use crate::surroundings;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use tidegate_serve::remote::{Address, Program, Secret, Upstream};
use tidegate_wire::config::{UpstreamProgram, Workspace};

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
        program: written.program.as_ref().map(|written| program(name, written, root)).transpose()?,
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

/// What is started for an upstream. Its command is the configuration's alone; secrets are handed down where they are named.
fn program(name: &str, written: &UpstreamProgram, root: &Path) -> Result<Program> {
    let guard = std::env::current_exe().context("find this program, which guards the servers that it starts")?;
    let named = |variable: &String| {
        let value = surroundings::secret(variable).map_err(|why| failure(exit::USAGE, format!("upstream {name}: {why}")))?;
        Ok((variable.clone(), Secret(value)))
    };
    Ok(Program {
        environment: written.environment.iter().map(named).collect::<Result<_>>()?,
        copies: usize::try_from(written.copies).unwrap_or(1),
        ready_ms_max: written.ready_ms,
        stop_ms_max: written.stop_ms,
        restarts_max: written.restarts,
        log: Some(root.join(".tidegate").join("servers").join(format!("{name}.log"))),
        ..Program::new(guard, vec![OsString::from("worker")], written.command.clone(), root.to_owned())
    })
}
