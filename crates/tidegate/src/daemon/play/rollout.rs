//! From a gated version to the end of its release, under traffic.

use super::{LOOK, Player};
use crate::clock;
use crate::daemon::replay::Replay;
use crate::daemon::story::{ended_words, waiting_words};
use crate::steps::candidate::Candidate;
use crate::steps::release;
use anyhow::Result;
use tidegate_core::workspace::{Act as ActState, Outcome};
use tidegate_engine::rollouts::RolloutId;
use tidegate_store::PredictionFilter;
use tidegate_wire::scenario::Act;

impl Player<'_> {
    pub(super) async fn release(
        &mut self,
        index: usize,
        act: &Act,
        noted: &ActState,
        candidate: &Candidate,
        strategy: &str,
    ) -> Result<(Outcome, String)> {
        let service = self.scenario.replay.service.clone();
        let wish = release::Wish {
            service: &service,
            version: &candidate.version,
            strategy,
            change: &act.name,
            disagreement: candidate.report.disagreement,
            risk: None,
        };
        let plane = &self.run.plane;
        if noted.note("rollout").is_none()
            && let Some(block) = self.run.watchman().block(&service, &candidate.version.model, &candidate.version.version, strategy).await?
        {
            return Ok((Outcome::Refused, format!("version {}: {}", candidate.version.version, block.why)));
        }
        let number = match noted.note("rollout").and_then(serde_json::Value::as_u64) {
            Some(number) => number,
            None => {
                // Noted first: a crash between the two starts the same number again, not another.
                let number = plane.newest(&service).await?.map_or(1, |(id, _)| id.number + 1);
                self.note(index, "rollout", serde_json::json!(number)).await?;
                number
            }
        };
        let (config, version) = (&self.run.opened.config, &candidate.version);
        if release::measures_skew(config, strategy) {
            release::prepare_offline(plane, &self.run.ticks, config, &candidate.root, &service, &version.model, &version.version).await?;
        }
        let id = release::start(plane, &self.run.opened.config, &wish, Some(number)).await?;
        let traffic = self.traffic(index, act, &candidate.root).await?;
        let mut last = String::new();
        let bus = self.bus().clone();
        let waited = release::wait(plane, &id, |state| {
            if let Some(open) = state.rollout() {
                let text = format!(
                    "release {}: {}{}",
                    id.number,
                    open.phase.name(),
                    open.waiting.as_ref().map_or(String::new(), |w| format!(", {}", waiting_words(w)))
                );
                if text != last {
                    bus.progress(text.clone());
                    last = text;
                }
            }
        });
        let outcome = self.with_first_prediction(&traffic, waited).await?;
        let was_held = noted.note("held").is_some();
        let outcome = if outcome == Outcome::Held {
            // Noted first: after a crash the aborted release must not pass for one that was judged.
            self.note(index, "held", serde_json::json!(true)).await?;
            self.give_up(&id).await?
        } else if was_held {
            Outcome::Held
        } else {
            outcome
        };
        let tally = traffic.stop().await;
        release::move_aliases(plane, &id).await?;
        let summary = self.sentence(&id, candidate, outcome, &tally).await?;
        Ok((outcome, summary))
    }

    /// Waits, and tells when the first prediction of this process was served.
    pub(super) async fn with_first_prediction<T>(&mut self, traffic: &Replay, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK), if self.first_prediction_ms.is_none() => {
                    if traffic.tally().with_status(200..201) > 0 {
                        let ms = u64::try_from(self.run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                        self.first_prediction_ms = Some(ms);
                        self.run.bus.done(format!("  first prediction served {:.1} s after the start", ms as f64 / 1000.0));
                    }
                }
            }
        }
    }

    /// A rehearsal has nobody to ask: what waits for a person is taken back, and the act says that it was held.
    pub(super) async fn give_up(&self, id: &RolloutId) -> Result<Outcome> {
        let command = tidegate_core::rollout::Command::Abort {
            by: "scenario".to_owned(),
            reason: "held, and a rehearsal has nobody to ask".to_owned(),
            at: clock::now(),
        };
        self.run.plane.drive(tidegate_engine::rollouts::Input::Command { rollout: id.clone(), key: None, command }).await?;
        release::wait(&self.run.plane, id, |_| {}).await?;
        Ok(Outcome::Held)
    }

    pub(super) async fn sentence(
        &self,
        id: &RolloutId,
        candidate: &Candidate,
        outcome: Outcome,
        tally: &crate::daemon::replay::Tally,
    ) -> Result<String> {
        let version = &candidate.version.version;
        let saw = self.users_who_saw(id, version, tally).await?;
        let state = self.run.plane.state(id).await?;
        let why = state.rollout().and_then(|r| r.failed.as_ref().or(r.judged.as_ref())).map(|j| j.assessment.summary.clone());
        Ok(match outcome {
            Outcome::Live => format!("version {version} live, {} requests answered", tally.with_status(200..201)),
            Outcome::Promoted => format!("version {version} promoted; {}", why.unwrap_or_default()),
            Outcome::StoppedInShadow => format!("version {version} stopped in shadow, {saw} users saw it; {}", why.unwrap_or_default()),
            Outcome::RolledBack => format!("version {version} rolled back in canary, {saw} requests saw it; {}", why.unwrap_or_default()),
            Outcome::Held => format!("version {version} was held: {}", state.rollout().map_or(String::new(), ended_words)),
            _ => format!("version {version}: {}", state.rollout().map_or(String::new(), ended_words)),
        })
    }

    /// Live requests that a candidate answered in a release, over crashes: what its evidence counted, and what this process knows.
    pub(super) async fn users_who_saw(&self, id: &RolloutId, version: &str, tally: &crate::daemon::replay::Tally) -> Result<u64> {
        let (dir, of) = (self.run.opened.places.evidence(), id.clone());
        let ticks = tokio::task::spawn_blocking(move || crate::daemon::evidence::read(&dir, &of, 0)).await??;
        let counted: u64 = ticks.iter().filter(|t| t.mode != tidegate_core::judge::Mode::Shadow).map(|t| t.candidate.requests).sum();
        let (lake, filter) = (
            self.run.lake.clone(),
            PredictionFilter {
                service: Some(id.service.clone()),
                version: Some(version.to_owned()),
                role: Some("candidate".to_owned()),
                without_inputs: true,
                ..PredictionFilter::default()
            },
        );
        let kept = tokio::task::spawn_blocking(move || -> Result<u64> {
            Ok(lake.read_predictions(&filter)?.filter(Result::is_ok).count() as u64)
        })
        .await??;
        Ok(counted.max(kept).max(tally.of_version(version)))
    }
}
