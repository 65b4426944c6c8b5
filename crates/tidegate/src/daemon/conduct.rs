//! How the gateway answers, from the configuration: for each service, and for each key.

use crate::exit::{self, failure};
use crate::surroundings;
use anyhow::Result;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use tidegate_core::model::Datatype;
use tidegate_runtime::{Execution, Provider};
use tidegate_serve::{
    Allowance, Batching, Bound, Carried, Conduct, Fallback, Generating, Key, Priority, Promise, Promised, Sequencing, TlsFiles,
};
use tidegate_wire::config::{GatewayKey, GatewayTls, PromisedOutput, Serving, Workspace};

/// How a service's versions answer.
pub fn of(config: &Workspace, service: &str) -> Conduct {
    let Some(serving) = config.services.get(service).map(|s| &s.serving) else { return Conduct::default() };
    Conduct {
        scan: serving.scan.clone(),
        promise: promise(serving),
        batch: serving
            .batch
            .map(|batch| Batching { requests_max: usize::try_from(batch.requests).unwrap_or(usize::MAX), wait_us: batch.wait_us.into() }),
        queue_ms_max: serving.queue_ms,
        golden_every_ms: serving.golden_ms,
        in_process: serving.in_process,
        explain: serving.explain,
        sequence: serving.sequence.as_ref().map(|sequence| Sequencing {
            state: sequence.state.iter().map(|(input, output)| Carried { input: input.clone(), output: output.clone() }).collect(),
            idle_ms: sequence.idle_ms,
            across_versions: sequence.across_versions,
        }),
        generate: Generating {
            first_ms_max: serving.generate.first_ms,
            idle_ms_max: serving.generate.idle_ms,
            whole_ms_max: serving.generate.whole_ms,
        },
        fallback: serving.fallback.as_ref().map(|f| Fallback {
            older_version: f.older_version,
            cached_ms: f.cached_ms,
            answer: f.answer.clone(),
        }),
        memory_bytes_max: serving.memory_mib.map(|mib| u64::from(mib) * 1024 * 1024),
        execution: Execution {
            providers: serving.providers.iter().filter_map(|name| Provider::parse(name)).collect(),
            threads: usize::try_from(serving.threads).ok().and_then(NonZero::new).unwrap_or(NonZero::<usize>::MIN),
        },
    }
}

fn promise(serving: &Serving) -> Promise {
    let promised = |of: &PromisedOutput| Promised {
        datatype: of.datatype.as_deref().and_then(Datatype::parse),
        shape: of.shape.clone(),
        min: of.min.map(Bound),
        max: of.max.map(Bound),
        finite: of.finite,
    };
    Promise(serving.outputs.iter().map(|(name, of)| (name.clone(), promised(of))).collect())
}

/// How the services of a model carry it out, by their names.
pub fn executions(config: &Workspace, model: &str) -> Vec<(String, Execution)> {
    let of_model = config.services.iter().filter(|(_, service)| service.model == model);
    of_model.map(|(name, _)| (name.clone(), of(config, name).execution)).collect()
}

/// Whether answers that were declared can be given.
///
/// # Errors
/// When one cannot, by the name of its service.
pub fn check(config: &Workspace) -> Result<()> {
    for (name, service) in &config.services {
        let Some(answer) = service.serving.fallback.as_ref().and_then(|fallback| fallback.answer.as_deref()) else { continue };
        let unfit = |why| failure(exit::USAGE, format!("services.{name}.serving.fallback.answer cannot be given: {why}"));
        tidegate_serve::declared_outputs(answer).map_err(unfit)?;
    }
    Ok(())
}

/// Files of TLS towards clients.
pub fn tls(config: &Workspace, root: &Path) -> Option<TlsFiles> {
    let GatewayTls { certificate, key, clients } = config.gateway_tls.as_ref()?;
    let at = |path: &PathBuf| root.join(path);
    Some(TlsFiles { certificate: at(certificate), key: at(key), clients: clients.as_ref().map(at) })
}

/// Keys of some clients, their tokens from the environment.
///
/// # Errors
/// When a token's variable is not set, or two keys have one token: whose requests they are could not be told.
pub fn keys(config: &Workspace) -> Result<Vec<Key>> {
    let mut seen: Vec<(&str, String)> = Vec::new();
    let mut keys = Vec::with_capacity(config.gateway_keys.len());
    for (name, key) in &config.gateway_keys {
        let GatewayKey { token, rate, burst, daily, batch } = key;
        let secret = surroundings::secret(token).map_err(|why| failure(exit::USAGE, format!("key {name} of the gateway: {why}")))?;
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == secret) {
            return Err(failure(exit::USAGE, format!("keys {other} and {name} of the gateway have the same token: give each its own")));
        }
        let allowance =
            Allowance { per_second: rate.map(f64::from), burst: burst.or(*rate).unwrap_or_default(), per_day: daily.map(u64::from) };
        let priority = if *batch { Priority::Batch } else { Priority::Interactive };
        keys.push(Key::new(name, &secret, priority, allowance));
        seen.push((name, secret));
    }
    Ok(keys)
}
