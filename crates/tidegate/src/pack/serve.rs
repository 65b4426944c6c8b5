//! Serves a bundle: one version, one worker, the gateway. No workspace, no journal, no network but the port that is listened on.

use super::opened::Opened;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_serve::{Gateway, GatewaySettings, Outputs, PoolEvent, PoolSettings, TargetSpec, TargetState, WorkerPool};
use tokio::sync::mpsc;

/// The one table of routes: nothing ever takes its place.
const GENERATION: u64 = 1;

/// How to serve.
pub struct Serving {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may ask.
    pub tokens: Vec<String>,
    /// Name of the model in the protocol's paths.
    pub name: String,
}

/// A bundle that is served.
pub struct Served {
    gateway: Gateway,
    pool: WorkerPool,
    events: mpsc::Receiver<PoolEvent>,
}

impl Served {
    /// Loads the version, waits until its golden requests are answered right, and only then listens.
    ///
    /// # Errors
    /// When it does not answer right, or the port is taken.
    pub async fn start(opened: &Opened, serving: Serving) -> Result<Served> {
        let program = std::env::current_exe().context("find this program, which workers run too")?;
        let library = opened.library().unwrap_or_else(|| PathBuf::from("libonnxruntime.so"));
        let (pool, events) = WorkerPool::new(PoolSettings::new(program, vec![OsString::from("worker")], library));
        let target = TargetId::new(&serving.name, &opened.manifest.version, Role::Stable);
        pool.ensure(TargetSpec::new(target.clone(), serving.name.clone(), opened.model()))?;
        match pool.settled(&target).await {
            Some(TargetState::Ready) => {}
            Some(TargetState::Failed { why }) => {
                pool.shutdown().await;
                return Err(failure(exit::NOT_PASSED, format!("serve {} of the bundle: {why}: nothing listens", target.version)));
            }
            state => anyhow::bail!("serve {target}: it did not become ready: {state:?}"),
        }
        let settings = GatewaySettings::new(serving.listen, serving.tokens, GENERATION);
        let started = Gateway::start(settings, pool.clone()).await;
        let (gateway, outputs) = match started {
            Ok(started) => started,
            Err(error) => {
                pool.shutdown().await;
                return Err(failure(exit::OUTSIDE, format!("start the gateway: {error}; or name another address with --listen")));
            }
        };
        gateway.apply(RouteTable::new(GENERATION, [Route::all_to(&serving.name, target)]))?;
        drop_records(outputs);
        Ok(Served { gateway, pool, events })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Waits until the version has failed for good; why.
    pub async fn failed(&mut self, tell: impl Fn(&str)) -> String {
        loop {
            match self.events.recv().await {
                Some(PoolEvent::Failed { target, why }) => return format!("{target} failed: {why}"),
                Some(PoolEvent::Died { target, why }) => tell(&format!("{target} died and is started again: {why}")),
                Some(PoolEvent::Replaced { target, why }) => tell(&format!("another worker took the place of the one of {target}: {why}")),
                Some(PoolEvent::Ready { .. } | PoolEvent::Away { .. } | PoolEvent::Unloaded { .. }) => {}
                None => return "its worker is gone".to_owned(),
            }
        }
    }

    /// Answers what is in flight, and ends.
    pub async fn stop(self) {
        self.gateway.shutdown().await;
        self.pool.shutdown().await;
    }
}

/// Records of predictions go nowhere: there is no lake. Labels are refused, for nobody takes them up.
fn drop_records(outputs: Outputs) {
    let Outputs { mut records, feedback, pairs } = outputs;
    drop((feedback, pairs));
    crate::task::spawn(async move { while records.recv().await.is_some() {} });
}
