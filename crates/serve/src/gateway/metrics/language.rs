//! What answers of language models took, by target.

use super::{BOUND_POWERS, OCTAVE, Page, labels};
use crate::counts::{GeneratedTotals, Totals};
use tidegate_core::judge::{LatencyHistogram, Measure};

/// Targets that have answered as language models do.
pub fn metrics(page: &mut Page, totals: &[Totals]) {
    let totals: Vec<&Totals> = totals.iter().filter(|t| t.generated.answers > 0).collect();
    let name = "tidegate_tokens_total";
    page.head(name, "counter", "Tokens of answered requests to language models, as servers told of them or as events were counted.");
    for t in &totals {
        let tokens = t.generated.tokens;
        for (direction, count) in [("input", tokens.input), ("output", tokens.output)] {
            page.line(name, &format!("{},direction=\"{direction}\"", labels(&t.target)), count);
        }
    }
    page.head("tidegate_token_cost_total", "counter", "What they cost, by the prices of their versions.");
    for t in &totals {
        page.line("tidegate_token_cost_total", &labels(&t.target), t.generated.cost / 1e6);
    }
    let first = "tidegate_first_token_seconds";
    histogram(page, &totals, first, "Time from a request to the first token of its answer.", Measure::FirstToken, |g| g.first_token_us);
    let each = "tidegate_token_seconds";
    histogram(page, &totals, each, "Time from one token to the next, in the mean of each answer.", Measure::TokenTime, |g| g.token_us);
}

fn histogram(page: &mut Page, totals: &[&Totals], name: &str, help: &str, of: Measure, sum_us: fn(&GeneratedTotals) -> f64) {
    page.head(name, "histogram", help);
    for t in totals {
        let Some(histogram) = t.generated.measured.get(&of) else { continue };
        let labels = labels(&t.target);
        for power in BOUND_POWERS {
            let bucket = power * OCTAVE;
            let within = histogram.total() - histogram.above(bucket);
            page.line(&format!("{name}_bucket"), &format!("{labels},le=\"{}\"", LatencyHistogram::upper_us(bucket) / 1e6), within);
        }
        page.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), histogram.total());
        page.line(&format!("{name}_sum"), &labels, sum_us(&t.generated) / 1e6);
        page.line(&format!("{name}_count"), &labels, histogram.total());
    }
}
