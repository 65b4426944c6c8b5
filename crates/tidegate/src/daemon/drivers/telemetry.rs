//! Evidence of a service that somebody else serves: requests, failures and latencies of both versions from Prometheus, tick by tick.
//!
//! What cannot be counted is a tick without requests, which the judge takes for no telemetry. The control is stable with all the
//! requests that it gets, and the tick says what part of both was meant for the candidate. Not here: how counters become counts
//! (`wire::prometheus`).

use super::{Driven, named_secret, release_of};
use crate::clock;
use crate::daemon::plane::Plane;
use crate::daemon::ticks::Kind;
use tidegate_adapters::curl::BriefCurl;
use tidegate_adapters::prometheus::{Arms, LatencyArms, counts, slow};
use tidegate_core::judge::{ArmCounts, Beside, Interval, LatencyHistogram, Tick};
use tidegate_core::judgement::{Parameters, filled};
use tidegate_core::rollout::Rollout;
use tidegate_wire::config::{Telemetry, TelemetryLatency};
use tidegate_wire::prometheus::{Grid, Latencies, STEPS_MAX};

/// Asks for the counts of one service.
pub struct Asked {
    telemetry: Telemetry,
    driven: Driven,
    counting: Option<Counting>,
    said: String,
}

struct Counting {
    kind: Kind,
    /// Up to where it was counted, in seconds.
    from_s: i64,
    /// When it is asked again, in seconds.
    due_s: i64,
}

impl Asked {
    pub fn new(telemetry: Telemetry, driven: Driven) -> Asked {
        Asked { telemetry, driven, counting: None, said: String::new() }
    }

    /// Nothing is to be counted now.
    pub fn rest(&mut self) {
        self.counting = None;
    }

    /// The tick that has ended, if one has; begins to count when something else is wanted.
    pub async fn due(&mut self, plane: &Plane, wanted: Kind, open: &Rollout, (tick_ms, delay_ms): (u64, u64)) -> Option<Tick> {
        let now = clock::now();
        let now_s = now.0.div_euclid(1_000);
        let every_s = i64::try_from(self.telemetry.every_s.max(1)).unwrap_or(i64::MAX);
        let Some(counting) = self.counting.as_mut().filter(|c| c.kind == wanted) else {
            // Scrapes of the split before end up in counters for one more interval, after it has arrived.
            let arrives_s = now_s.saturating_add(i64::try_from(delay_ms.div_ceil(1_000)).unwrap_or(i64::MAX));
            let from_s = arrives_s.saturating_add(every_s).saturating_add(1);
            self.counting = Some(Counting { kind: wanted, from_s, due_s: from_s.saturating_add(ticked_s(tick_ms, every_s)) });
            return None;
        };
        if now_s < counting.due_s {
            return None;
        }
        counting.due_s = now_s.saturating_add(ticked_s(tick_ms, every_s));
        let grid = grid(counting.from_s, now_s, every_s);
        let found = asked(&self.telemetry, &self.driven, open, grid).await;
        let (seen, trouble) = match found {
            Ok(seen) => {
                counting.from_s = grid.end_s();
                (seen, None)
            }
            // What was not counted now is counted with the next answer.
            Err(why) => (Seen::default(), Some(format!("{}: no telemetry: {why}", open.spec.service))),
        };
        plane.trouble_once(&mut self.said, trouble);
        Some(Tick {
            seq: 0,
            at: now,
            mode: wanted.mode,
            step: wanted.step,
            attempt: wanted.attempt,
            candidate_share_bp: wanted.candidate_share_bp,
            candidate: seen.arm(0),
            control: seen.arm(1),
            pairs: None,
            beside: Beside::default(),
        })
    }
}

/// A tick's length in seconds: as many whole intervals as it takes.
fn ticked_s(tick_ms: u64, every_s: i64) -> i64 {
    let tick_s = i64::try_from(tick_ms.div_ceil(1_000)).unwrap_or(i64::MAX);
    let intervals = tick_s.saturating_add(every_s - 1).div_euclid(every_s).max(1);
    intervals.saturating_mul(every_s)
}

/// The intervals from the end of what was counted to now, the newest of them where there are too many.
fn grid(from_s: i64, now_s: i64, step_s: i64) -> Grid {
    let steps = usize::try_from(now_s.saturating_sub(from_s).div_euclid(step_s)).unwrap_or(0).saturating_add(1);
    let kept = steps.min(STEPS_MAX);
    let left_out = i64::try_from(steps - kept).unwrap_or(0);
    Grid { start_s: from_s.saturating_add(left_out.saturating_mul(step_s)), step_s, steps: kept }
}

/// What was counted between two times.
#[derive(Default)]
struct Seen {
    intervals: Vec<Interval>,
    /// Of candidate and control, where latencies are counted.
    latencies: Option<[Latencies; 2]>,
}

impl Seen {
    /// The counts of the candidate (0) or the control (1) in all intervals.
    fn arm(&self, which: usize) -> ArmCounts {
        let counted = self.intervals.iter().map(|i| if which == 0 { i.candidate } else { i.control });
        let (requests, errors) =
            counted.fold((0, 0_u64), |(n, s), (requests, errors)| (u64::saturating_add(n, requests), s.saturating_add(errors)));
        let latencies = self.latencies.as_ref().and_then(|both| both.get(which));
        let mut latency = LatencyHistogram::default();
        for (bucket, count) in latencies.iter().flat_map(|l| &l.intervals).flat_map(|histogram| &histogram.0) {
            latency.add(*bucket, *count);
        }
        ArmCounts { requests, errors, latency, edges: latencies.map(|l| l.edges.clone()).unwrap_or_default(), ..ArmCounts::default() }
    }
}

async fn asked(telemetry: &Telemetry, driven: &Driven, open: &Rollout, grid: Grid) -> Result<Seen, String> {
    let (telemetry, traffic, release) = (telemetry.clone(), driven.traffic.clone(), release_of(open));
    let candidate_bp = open.traffic.map_or(0, |wanted| wanted.traffic.candidate_bp);
    let asked = tokio::task::spawn_blocking(move || {
        let mut parameters = Parameters::from([("candidate".to_owned(), release.candidate.clone())]);
        parameters.extend(release.stable.clone().map(|stable| ("control".to_owned(), stable)));
        let of_latency = telemetry.latency.iter().flat_map(|l| [&l.candidate, &l.control]);
        if [&telemetry.candidate, &telemetry.control].into_iter().chain(of_latency).any(|selector| selector.contains("_place")) {
            let [candidate, control] = traffic.look(&release, candidate_bp).map_err(|e| e.to_string())?.places;
            parameters.extend(candidate.map(|place| ("candidate_place".to_owned(), place)));
            parameters.extend(control.map(|place| ("control_place".to_owned(), place)));
        }
        let fill = |selector: &str| filled(selector, &parameters);
        let arms = Arms { candidate: fill(&telemetry.candidate)?, control: fill(&telemetry.control)?, errors: telemetry.errors.clone() };
        if arms.candidate == arms.control {
            return Err(format!("candidate and control are both `{}`: a version held against itself is never worse", arms.candidate));
        }
        let token = named_secret(telemetry.token.as_ref())?;
        let (http, url, token) = (&BriefCurl, &telemetry.prometheus, token.as_deref());
        let intervals = counts(http, url, token, &arms, grid).map_err(|e| e.to_string())?;
        let of = |l: &TelemetryLatency| {
            Ok::<_, String>(LatencyArms { candidate: fill(&l.candidate)?, control: fill(&l.control)?, unit: l.unit })
        };
        let arms = telemetry.latency.as_ref().map(of).transpose()?;
        let latencies = arms.map(|arms| slow(http, url, token, &arms, grid)).transpose().map_err(|e| e.to_string())?;
        Ok(Seen { intervals, latencies })
    });
    asked.await.map_err(|_| "the question was given up, for the workspace goes down".to_owned())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_whole_intervals_and_what_was_missed_is_counted_later() {
        assert_eq!((ticked_s(10_000, 30), ticked_s(10_000, 4), ticked_s(1_000, 1), ticked_s(500, 1)), (30, 12, 1, 1));
        assert_eq!(grid(100, 130, 30), Grid { start_s: 100, step_s: 30, steps: 2 });
        assert_eq!(grid(100, 189, 30), Grid { start_s: 100, step_s: 30, steps: 3 });
        let long = grid(0, 30_000, 1);
        assert_eq!((long.steps, long.end_s()), (STEPS_MAX, 30_000));
    }
}
