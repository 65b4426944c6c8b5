//! Looks after releases that somebody else serves: a version that answers nobody any more is told, and a split that somebody
//! changed is put right. Between releases nothing is touched.

use super::{Driven, release_of};
use crate::clock;
use crate::daemon::plane::Plane;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_adapters::traffic::Seen;
use tidegate_core::rollout::{Command, Role, Rollout};
use tidegate_engine::rollouts::{Input, RolloutId};

/// So many looks in a row must find a version lost: one may come between two pods.
const LOOKS: u32 = 3;

/// Looks after one service for as long as the workspace is up.
pub async fn watch(plane: Plane, service: String, driven: Driven) {
    let (mut lost, mut said) = (BTreeMap::new(), String::new());
    loop {
        let trouble = look(&plane, &service, &driven, &mut lost).await.map_err(|e| format!("look after {service}: {e:#}"));
        plane.trouble_once(&mut said, trouble.unwrap_or_else(Some));
        tokio::time::sleep(Duration::from_millis(driven.traffic.pace().look_ms)).await;
    }
}

/// What is wrong, where something is.
async fn look(plane: &Plane, service: &str, driven: &Driven, lost: &mut BTreeMap<Role, u32>) -> Result<Option<String>> {
    let Some((id, state)) = plane.newest(service).await? else { return Ok(None) };
    let Some(open) = state.rollout().filter(|open| !open.phase.is_terminal()) else { return Ok(None) };
    // While a split is on its way the one that it replaces says nothing.
    let Some(candidate_bp) = open.traffic.filter(|wanted| wanted.applied.is_some()).map(|wanted| wanted.traffic.candidate_bp) else {
        return Ok(None);
    };
    let turn = driven.turn.clone().lock_owned().await;
    if plane.state(&id).await? != state {
        return Ok(None);
    }
    let (traffic, release) = (driven.traffic.clone(), release_of(open));
    let seen = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let seen = traffic.look(&release, candidate_bp)?;
        if seen.moved.is_some() {
            traffic.split(&release, candidate_bp)?;
        }
        Ok::<Seen, tidegate_port::Failure>(seen)
    });
    let seen = seen.await??;
    lost.retain(|role, _| seen.lost.iter().any(|(of, _)| of == role));
    for (role, why) in &seen.lost {
        let looks = lost.entry(*role).or_default();
        *looks = looks.saturating_add(1);
        if *looks >= LOOKS {
            tell(plane, &id, open, *role, why).await?;
        }
    }
    Ok(seen.moved.map(|moved| format!("{id}: {moved}; it is put right")))
}

async fn tell(plane: &Plane, id: &RolloutId, open: &Rollout, role: Role, why: &str) -> Result<()> {
    // A version that never was there is answered by what loads it.
    if !open.workers.ready(role) {
        return Ok(());
    }
    let generation = open.workers.of(role).generation;
    let command = Command::WorkerFailed { role, generation, reason: why.to_owned(), at: clock::now() };
    plane.drive(Input::Command { rollout: id.clone(), key: None, command }).await
}
