//! A span of time in intervals.

use super::wrong;
use crate::clock;
use crate::exit::{self, failure};
use anyhow::Result;
use clap::Args;
use tidegate_wire::config::unit::duration_ms;
use tidegate_wire::prometheus::{Grid, STEPS_MAX, Series};

/// How far back, and in what steps.
#[derive(Debug, Args)]
pub struct SpanArgs {
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    since: String,
    /// Length of an interval: not shorter than two scrapes
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    every: String,
}

impl SpanArgs {
    /// The values of the one series that a query was to find; `advice` is for one that finds many.
    pub fn only(&self, query: &str, mut found: Vec<Series>, advice: &str) -> Result<Vec<f64>> {
        match found.len() {
            1 => Ok(found.remove(0).values),
            0 => Err(failure(exit::NOT_FOUND, format!("judge: `{query}` finds no series in the last {}", self.since))),
            many => Err(wrong(format!("`{query}` finds {many} series: {advice}"))),
        }
    }

    /// Its times.
    pub fn grid(&self) -> Result<Grid> {
        let read = |name: &str, text: &str| duration_ms(text).map_err(|why| wrong(format!("--{name}: {why}")));
        let (since, every) = (read("since", &self.since)?, read("every", &self.every)?);
        let steps = usize::try_from(since / every.max(1)).unwrap_or(usize::MAX).saturating_add(1);
        if every < 1_000 || every % 1_000 != 0 || !(2..=STEPS_MAX).contains(&steps) {
            return Err(wrong(format!(
                "--since {} in intervals of --every {}: give whole seconds, and from 1 to {} intervals",
                self.since,
                self.every,
                STEPS_MAX - 1
            )));
        }
        let step_s = i64::try_from(every / 1_000).unwrap_or(i64::MAX);
        // On whole intervals, so that the same hour is cut the same way whenever it is asked for.
        let end = clock::now().0.div_euclid(1_000).div_euclid(step_s) * step_s;
        let back = step_s.saturating_mul(i64::try_from(steps - 1).unwrap_or(i64::MAX));
        Ok(Grid { start_s: end.saturating_sub(back), step_s, steps })
    }
}
