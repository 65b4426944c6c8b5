//! What a model of risk stands on, written down for whoever must answer for it: what it says, from what, under which assumptions, how good it
//! was, and what is kept of whom.

use super::described;
use super::labels::Sources;
use super::moved::LITTLE;
use std::fmt::Write as _;
use tidegate_history::{Mined, Settings};
use tidegate_learn::RiskModel;
use tidegate_learn::evaluate::Report;

/// What a card is made of.
pub struct Facts<'a> {
    /// The model.
    pub model: &'a RiskModel,
    /// The history that it was made from.
    pub mined: &'a Mined,
    /// Where labels came from.
    pub labels: &'a Sources,
    /// Changes of owners who have opted out.
    pub opted_out: usize,
    /// How much of all that moves it each feature is.
    pub shares: &'a [(String, f64)],
    /// On later changes, and the number of lines added on the same ones.
    pub judged: (&'a Report, &'a Report),
}

/// A day, in UTC.
pub(super) fn day(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s).map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// The card, as Markdown.
#[must_use]
pub fn card(of: &Facts<'_>) -> String {
    let mut text = "# Model of the risk of changes\n\n".to_owned();
    let training = of.model.training();
    let _ = writeln!(
        text,
        "It says how likely a change is to do harm: to be fixed later, to fail when it is deployed, or to be called harmful by a person. It sets the pace of a release and never its verdict; what it is not sure of goes the way of every change without a score.\n"
    );
    let _ = writeln!(text, "## What it was made from\n");
    let _ = writeln!(
        text,
        "- {} changes from {} to {}, {:.1} % of them harmful; digest of the table `{}`",
        training.rows,
        day(training.from),
        day(training.until),
        training.base_rate * 100.0,
        training.digest
    );
    if training.synthetic > 0 {
        let _ = writeln!(text, "- {} failures that nobody saw, made of two changes each, with little weight: few hurt", training.synthetic);
    }
    let _ = writeln!(
        text,
        "- labels: {} by people, {} by deliveries, {} by fixes in the history; {} changes kept apart, of {} two sources say different things",
        of.labels.people, of.labels.deliveries, of.labels.history, of.labels.apart, of.labels.conflicts
    );
    if let Some(noise) = of.labels.noise {
        let _ = writeln!(text, "- of {} labels that people looked at, {} were wrong", noise.looked_at, noise.wrong);
    }
    let _ = writeln!(text, "- {} changes left out, whose owners have opted out", of.opted_out);
    assumptions(&mut text, of);
    figures(&mut text, of.judged);
    features(&mut text, of);
    text
}

fn assumptions(text: &mut String, of: &Facts<'_>) {
    let settings = Settings::default();
    let days = of.mined.maturity.age_s as f64 / 86_400.0;
    let told = match of.mined.maturity.delays {
        0 => "taken, since too few fixes tell it".to_owned(),
        delays => format!("told by {delays} fixes, of which {:.0} % came sooner", of.mined.maturity.quantile * 100.0),
    };
    let _ = writeln!(text, "\n## What is assumed\n");
    for line in [
        "A change that a fix is traced to did harm: the fix removes or changes lines that it wrote (comments and blank lines aside), or names it. Faults that nobody fixed, or that were fixed elsewhere, are not seen.".to_owned(),
        format!("A change without a fix is clean after {days:.0} days ({told}). Younger ones are not learnt from, whatever their end."),
        format!("Fixes of more than {} files or {} lines tell nothing of the fault, and changes of more than {} files or {} lines are an import or a formatter's: both are left out.", settings.fix_files_max, settings.fix_lines_max, settings.mass_files_max, settings.mass_lines_max),
        "The next changes are made as the last ones were: younger changes count more (half a year back: 0.7 times). A team, a language or a way of working that changes makes the model older than its age.".to_owned(),
        "What is missing never lowers a risk.".to_owned(),
        "A probability is right on average over many changes, not of each: its interval says what the training leaves open, and nothing of causes. That fewer lines would lower a risk is true of the model; that it is true of the change is assumed.".to_owned(),
    ] {
        let _ = writeln!(text, "- {line}");
    }
    if of.mined.shallow {
        let _ = writeln!(text, "- **The clone was shallow: histories begin where it was cut.**");
    }
}

fn figures(text: &mut String, (model, lines): (&Report, &Report)) {
    let number = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
    let _ = writeln!(text, "\n## How good it was\n");
    let _ = writeln!(
        text,
        "A model of the earlier four fifths, on the {} changes after them ({:.1} % harmful): AUC {} (lines added alone: {}), Brier {}, calibration error {}. The model that is kept has learnt from all of them.",
        model.rows,
        model.base_rate * 100.0,
        number(model.auc.map(|auc| auc.estimate)),
        number(lines.auc.map(|auc| auc.estimate)),
        number(model.brier),
        number(model.calibration_error)
    );
}

fn features(text: &mut String, of: &Facts<'_>) {
    let model = of.model;
    let _ = writeln!(text, "\n## What it looks at\n");
    let _ = writeln!(
        text,
        "How much of all that moves it a feature is, is the mean size of what it, and all that is made of it, adds to the log odds (exact Shapley values) of the newest changes; what is made of two counts for both.\n"
    );
    let _ = writeln!(
        text,
        "No feature names a person, a team or a path. What is kept on the disk of the repository (`.tidegate/risk`): of a change its commit, its time, these figures and which paths it touched, with their names; of an author a digest of the address, by which somebody who knows an address can look for it. That holds for owners who have opted out, too: their changes are read, and not learnt from. Messages and lines are read once; of their words numbers by a hash are kept, from which no word can be told with certainty.\n"
    );
    let unused = model.unused();
    for name in model.features() {
        let meaning = described(name).unwrap_or("of another release");
        let share = of.shares.iter().find(|(known, _)| known == name).map_or(0.0, |(_, share)| *share);
        let idle = match share {
            _ if unused.contains(&name.as_str()) => " *It moves nothing in this model: it could be left out.*".to_owned(),
            share if share < LITTLE => format!(" *It is {:.1} % of what moves this model: it could be left out.*", share * 100.0),
            share => format!(" ({:.1} % of what moves it)", share * 100.0),
        };
        let _ = writeln!(text, "- `{name}`: {meaning}{idle}");
    }
}
