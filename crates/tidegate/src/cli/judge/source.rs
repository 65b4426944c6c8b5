//! A measured value of a service that keeps metrics.

use super::Context;
use super::span::SpanArgs;
use crate::exit::{self, failure};
use crate::source::series;
use crate::workspace::open;
use anyhow::Result;
use clap::Args;
use tidegate_adapters::curl::Curl;

/// What is asked of the service.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Its name under `sources` in tidegate.yaml
    name: String,
    /// Query of the candidate's value, in the service's own language; one series
    #[arg(long, value_name = "QUERY")]
    candidate: String,
    /// The same of the control
    #[arg(long, value_name = "QUERY")]
    control: String,
    #[command(flatten)]
    span: SpanArgs,
}

impl SourceArgs {
    /// Values of both arms by interval; NaN where there is none.
    pub fn values(&self, context: &Context) -> Result<(Vec<f64>, Vec<f64>)> {
        let opened = open(&context.dir)?;
        let (config, lake) = (&opened.config, opened.places.lake());
        let source = config.sources.get(&self.name).ok_or_else(|| exit::unknown("judge a source", &self.name, config.sources.keys()))?;
        let mut grid = self.span.grid()?;
        if source.keeps_points() {
            // The last step has only begun.
            grid.steps -= 1;
        }
        let of = |query: &str| {
            let found = series(&Curl, &lake, source, query, grid).map_err(|e| failure(exit::OUTSIDE, format!("judge: {e}")))?;
            self.span.only(query, found, "aggregate them")
        };
        Ok((of(&self.candidate)?, of(&self.control)?))
    }
}
