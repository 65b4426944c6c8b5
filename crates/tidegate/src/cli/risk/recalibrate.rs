//! `tidegate risk recalibrate`.

use super::super::Context;
use super::reading;
use super::train::{LearnArgs, learn};
use crate::show;
use crate::steps::risk::{self as step, Recalibrated};
use anyhow::Result;
use tidegate_learn::evaluate::Report;

pub(super) fn recalibrate(context: &Context, args: &LearnArgs) -> Result<u8> {
    learn(context, args, |repository, from, progress| step::recalibrate(repository, from, &reading(progress), &show::note), told)
}

fn told(done: &Recalibrated) -> Result<()> {
    let Some(said) = &done.said else {
        return show::line(&format!(
            "no change since the training has an end that can be trusted ({:.0} days): the model is as it was trained",
            done.maturity_days
        ));
    };
    show::line(&format!(
        "{} changes since the training have an end that is known: {:.1} % hurt, {:.1} % of those that were learnt from did",
        done.outcomes,
        said.kept_up.base_rate * 100.0,
        done.base_rate * 100.0
    ))?;
    show::line(&format!(
        "log odds are moved by {:+.2}; level, intervals and label sets stand on the newest outcomes, {} at most; what is ranked stays",
        done.moved, done.calibrated_on
    ))?;
    show::line("what was said of them before their ends were known:")?;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let row = |name: &str, of: &Report, covered: usize| {
        let share = covered as f64 / of.rows.max(1) as f64;
        vec![name.to_owned(), number(of.brier), number(of.calibration_error), format!("{:.1} %", share * 100.0)]
    };
    let rows = vec![
        row("as it was trained", &said.left_alone, said.left_alone_covered),
        row("recalibrated as outcomes came", &said.kept_up, said.kept_up_covered),
    ];
    show::line(&show::table(&["", "Brier", "ECE", "label sets with the truth"], rows))
}
