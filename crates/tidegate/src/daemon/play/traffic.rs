//! The traffic of an act: the recording between two moments, sent again.

use super::Player;
use crate::columns;
use crate::daemon::replay::{Front, Recorded, Replay};
use crate::exit::{self, failure};
use anyhow::Result;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidegate_wire::scenario::{Act, Deed};

/// How often the place in the recording is written down.
const KEEP: Duration = Duration::from_millis(500);

/// Where the place in the recording is kept. It is no fact: losing it repeats some traffic.
struct Kept {
    path: PathBuf,
    act: usize,
}

impl Kept {
    fn read(&self) -> usize {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let (act, position) = serde_json::from_slice(&bytes).unwrap_or((usize::MAX, 0));
        if act == self.act { position } else { 0 }
    }

    /// Keeps it until the replay has ended.
    async fn keep(self, position: Arc<AtomicUsize>) {
        while Arc::strong_count(&position) > 1 {
            let bytes = serde_json::to_vec(&(self.act, position.load(Ordering::Relaxed))).unwrap_or_default();
            let _ = tidegate_store::disk::replace_file(&self.path, &bytes);
            tokio::time::sleep(KEEP).await;
        }
    }
}

impl Player<'_> {
    /// Replays the act's part of the recording; after a crash from where it left it. While a release waits the
    /// recording goes round; a watch hears it once.
    pub(super) async fn traffic(&mut self, index: usize, act: &Act, root: &Path) -> Result<Replay> {
        let replay = self.scenario.replay.clone();
        let records = Arc::new(recording(&root.join(&replay.records), &replay, act).await?);
        if records.is_empty() {
            return Err(failure(
                exit::USAGE,
                format!("replay {}: no record lies from {} until {}", replay.records, act.traffic_from, act.traffic_until),
            ));
        }
        self.pass += 1;
        let front = Front {
            address: self.run.plane.gateway().address(),
            token: self.run.gateway_token.clone(),
            model: self.run.endpoint_model(&replay.service),
        };
        let kept = Kept { path: self.run.opened.places.home.join("replay.json"), act: index };
        let circle = act.deed != Deed::WatchDrift;
        let replay = Replay::start(front, records, kept.read(), circle, replay.per_second, self.pass);
        crate::task::spawn(kept.keep(replay.position()));
        Ok(replay)
    }
}

/// The recorded requests of an act.
async fn recording(file: &Path, replay: &tidegate_wire::scenario::Replay, act: &Act) -> Result<Vec<Recorded>> {
    let table = columns::read(file, &[]).await?;
    let (from, until) = (act.traffic_from.clone(), act.traffic_until.clone());
    let (id, time, label) = (replay.id.clone(), replay.time.clone(), replay.label.clone());
    tokio::task::spawn_blocking(move || {
        let column = |name: &str| {
            table
                .columns
                .get(name)
                .map(|c| c.json.as_slice())
                .ok_or_else(|| failure(exit::USAGE, format!("replay: the recording has no column `{name}`")))
        };
        let (ids, times, labels) = (column(&id)?, column(&time)?, column(&label)?);
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let within = |t: &str| t >= from.as_str() && t < until.as_str();
        let rows = (0..table.rows).filter(|row| within(&text(&times[*row])));
        rows.map(|row| {
            let record: Vec<(&String, &serde_json::Value)> =
                table.columns.iter().filter(|(n, _)| **n != label).map(|(n, c)| (n, &c.json[row])).collect();
            Ok(Recorded { id: text(&ids[row]), label: labels[row].as_f64(), body: crate::daemon::replay::body(&text(&ids[row]), &record) })
        })
        .collect()
    })
    .await?
}
