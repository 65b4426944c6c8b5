//! `tidegate risk fairness`.

use super::super::Context;
use super::{HELD_SHARE, chance, policy, reading};
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::risk::{Attribute, Folder, Group, Owners, attributes, hold_from, riskiest};
use anyhow::Result;
use clap::Args;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tidegate_stats::fairness::{Share, Verdict};

/// What is asked.
#[derive(Debug, Args)]
pub struct FairnessArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// From which risk on a change is held; by `risk.costs` of tidegate.yaml when not given, and the riskiest fifth without them
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    at: Option<f64>,
    /// End with exit code 1 where a group is held more often than the rule of four fifths allows, and not by chance
    #[arg(long)]
    check: bool,
}

pub(super) fn fairness(context: &Context, args: &FairnessArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    let folder = Folder::of(&repository);
    let (judged, thresholds) = folder.judged_with()?;
    let moved = folder.note_moved(&show::note)?;
    if judged.is_empty() {
        return Err(failure(exit::NOT_PASSED, "tell the fairness: no change was judged: run `tidegate risk train` first"));
    }
    let owners = Owners::known(&repository, &policy, "tell the fairness", &show::note)?;
    let costs = policy.costs.as_ref().filter(|_| args.at.is_none());
    let line = args.at.unwrap_or_else(|| riskiest(&judged, HELD_SHARE));
    let from = |owners: &BTreeSet<String>| costs.and_then(|costs| hold_from(costs, owners)).unwrap_or(line);
    let progress = Progress::new(context.json);
    let mined = folder.history(&repository, &reading(&progress), &show::note);
    progress.clear();
    let attributes = attributes(&mined?, &owners, (&judged, &thresholds), &from)?;
    let adverse = |group: &&Group| group.rule.is_some_and(|rule| rule.verdict == Verdict::Adverse);
    let told_of =
        attributes.iter().flat_map(|one| &one.groups).filter(|group| group.rule.is_some_and(|rule| rule.verdict != Verdict::Insufficient));
    let looked_at = told_of.count();
    let open = |one: &&Attribute| one.groups.iter().all(|group| group.rule.is_none_or(|rule| rule.verdict == Verdict::Insufficient));
    let not_told: Vec<&str> = attributes.iter().filter(open).map(|one| one.name).collect();
    let found = attributes.iter().flat_map(|attribute| attribute.groups.iter()).filter(adverse).count();
    if context.json {
        show::json(
            &serde_json::json!({ "changes": judged.len(), "moved_since": moved, "held_from": costs.is_none().then_some(line), "by_costs": costs.is_some(), "looked_at": looked_at, "not_told": not_told, "adverse": found, "attributes": attributes }),
        )?;
    } else {
        let held = if costs.is_some() { "`risk.costs` hold".to_owned() } else { format!("has a risk of {line:.3} or more") };
        show::line(&format!("{} later changes; held is what {held}", judged.len()))?;
        for attribute in &attributes {
            told(attribute)?;
        }
        if !not_told.is_empty() {
            show::line(&format!("of {} nothing could be told: fewer than two groups are large enough", not_told.join(", ")))?;
        }
        show::line(
            "no feature names a person. Where groups hurt at different rates, scores cannot be right in each and mistakes equal in all: look at both",
        )?;
    }
    // Nothing that could be told is no proof of fairness.
    Ok(if args.check && (found > 0 || looked_at == 0) { exit::NOT_PASSED } else { exit::OK })
}

fn told(attribute: &Attribute) -> Result<()> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let share = |share: &Share| match share.estimate {
        Some(estimate) => format!("{:.0} % ({:.0} to {:.0})", estimate * 100.0, share.low * 100.0, share.high * 100.0),
        None => "-".to_owned(),
    };
    let rows = attribute.groups.iter().map(|group| {
        let report = &group.report;
        let rule = match group.rule.map(|rule| rule.verdict) {
            Some(Verdict::Adverse) => style::bad("held more, not by chance").to_string(),
            Some(Verdict::NotSignificant) => "held more, may be chance".to_owned(),
            Some(Verdict::Within) => "as others".to_owned(),
            Some(Verdict::Reference) => "held least".to_owned(),
            Some(Verdict::Insufficient) | None => "too few to tell".to_owned(),
        };
        vec![
            group.name.clone(),
            report.counts.rows.to_string(),
            share(&report.selection_rate),
            share(&report.base_rate),
            share(&report.true_positive_rate),
            share(&report.false_positive_rate),
            number(report.calibration_in_the_large),
            number(report.auc),
            group.sets.as_ref().map_or_else(
                || "-".to_owned(),
                |sets| format!("{:.0} % ({:.0} to {:.0})", sets.share * 100.0, sets.low * 100.0, sets.high * 100.0),
            ),
            rule,
        ]
    });
    let heads = [
        attribute.name,
        "Changes",
        "Held",
        "Hurt",
        "Held of those that hurt",
        "of those that did not",
        "Told too much",
        "AUC",
        "Label sets with the truth",
        "Rule of four fifths",
    ];
    show::line(&show::table(&heads, rows.collect()))?;
    let parity = &attribute.parity;
    let size = attribute.by_size.as_ref().and_then(|by| by.common_difference);
    show::line(&format!(
        "  demographic parity difference {}, equalized odds difference {}; the two largest groups, within changes of like size: {}",
        number(parity.demographic_parity_difference),
        number(parity.equalized_odds_difference),
        number(size)
    ))
}
