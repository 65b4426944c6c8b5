//! A risk in words, the same for the terminal and for a comment.

use super::{Answered, Scored, described};
use std::fmt::Write as _;
use tidegate_core::risk::Way;
use tidegate_learn::counterfactual::{Answer, Counterfactual};
use tidegate_stats::calibration::LabelSet;

/// How a comment begins.
const HEAD: &str = "## Risk of this change\n\n";
/// Reasons that are told.
const REASONS: usize = 5;
/// Commits that are told of those that are not scored.
const MIXED_TOLD: usize = 5;
/// What moves the odds by less is no reason.
const ODDS_LEAST: f64 = 1.05;

/// What a feature is, without its source.
#[must_use]
pub fn meaning(feature: &str) -> String {
    // Those that are made of two are named so.
    let two = [("_per_", "for each of"), ("_of_", "times")].into_iter().find_map(|(word, said)| Some((feature.split_once(word)?, said)));
    if let Some(((first, second), said)) = two {
        return format!("{} {said} {}", plain(first), lower_first(plain(second)));
    }
    plain(feature).to_owned()
}

fn plain(feature: &str) -> &str {
    let meaning = described(feature).unwrap_or(feature);
    meaning.split(" (").next().unwrap_or(meaning).trim_end_matches('.')
}

fn number(value: f64) -> String {
    // Nothing is never negative.
    let value = value + 0.0;
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// The features that move the odds most, each in a sentence.
#[must_use]
fn reasons(scored: &Scored) -> Vec<String> {
    let moves = scored.score.contributions.iter().filter(|c| c.log_odds.abs().exp() >= ODDS_LEAST);
    let told = moves.take(REASONS).map(|c| {
        let (verb, odds) = if c.log_odds > 0.0 { ("raises", c.log_odds.exp()) } else { ("lowers", (-c.log_odds).exp()) };
        let assumed = if c.assumed { ", assumed at its worst, for it is not known," } else { "" };
        format!("{} = {}{assumed} {verb} the odds {odds:.1} times: {}", c.feature, number(c.value), lower_first(&meaning(&c.feature)))
    });
    told.collect()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What would lower a risk, in a sentence.
#[must_use]
pub fn lower(lower: &Answer, names: &[String]) -> String {
    let changes = |of: &Counterfactual| {
        let one = |change: &tidegate_learn::counterfactual::Change| {
            let name = names.get(change.column).map_or("?", String::as_str);
            format!("{name} {} in place of {}", number(change.to), number(change.from))
        };
        of.changes.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    match lower {
        Answer::Below => "it is low as it is".to_owned(),
        Answer::Change(of) => format!("with {}, all else equal, it would be {:.2}", changes(of), of.probability),
        Answer::OutOfReach(of) if of.changes.is_empty() => "nothing that could be changed would lower it".to_owned(),
        Answer::OutOfReach(of) => format!("no smaller change of it is low; with {} it would be {:.2}", changes(of), of.probability),
    }
}

/// How sure the model is.
#[must_use]
pub fn sure(labels: LabelSet) -> &'static str {
    match labels {
        LabelSet::Positive => "like changes that were fixed later",
        LabelSet::Negative => "like changes that were not",
        LabelSet::Both => "it cannot be told whether it hurts: both are possible",
        LabelSet::Neither => "like nothing that was seen before: it cannot be told",
    }
}

/// One change, as lines.
pub fn lines(scored: &Scored) -> Vec<String> {
    let [low, high] = scored.score.interval;
    let short = scored.commit.get(..12).unwrap_or(&scored.commit);
    let what = if scored.commits == 1 { short.to_owned() } else { format!("{} commits as one change", scored.commits) };
    let mut lines = vec![format!(
        "{what}: risk {:.2} ({low:.2} to {high:.2}), higher than {:.0} % of earlier changes; {}",
        scored.score.probability,
        scored.score.rank * 100.0,
        sure(scored.score.labels)
    )];
    lines.extend(reasons(scored).into_iter().map(|reason| format!("  - {reason}")));
    if !scored.score.missing.is_empty() {
        lines.push(format!("  - not known: {}; that never lowers a risk", scored.score.missing.join(", ")));
    }
    lines.push(format!("  what would lower it: {}", lower(&scored.lower, &scored.names)));
    if let Some(from) = scored.hold_from {
        let way = match scored.way {
            Way::Held => format!("it is held: at {from:.2} and above waiting costs less than letting it through"),
            Way::Quick => format!("it may go the quick way: all of its interval is below {from:.2}, and the model is sure"),
            Way::Standard => format!("it goes the standard way: it is below {from:.2}, and the model is not sure that it is harmless"),
        };
        lines.push(format!("  {way}"));
    }
    if !scored.services.is_empty() {
        // In a comment nobody is called by it, and nothing in it is markup.
        let services: Vec<String> =
            scored.services.iter().map(|name| format!("`{}`", name.trim_start_matches('@').replace('`', ""))).collect();
        lines.push(format!("  touches: {}", services.join(", ")));
    }
    lines
}

/// What is not scored since it took too long, or since it is in part of owners who have opted out, in a sentence.
#[must_use]
pub fn not_scored(answered: &Answered) -> Option<String> {
    let of = |commit: &String| commit.get(..12).unwrap_or(commit).to_owned();
    if answered.is_late() {
        return Some(format!("{} is not scored, since that took longer than it may", of(&answered.newest)));
    }
    let named: Vec<String> = answered.mixed.iter().take(MIXED_TOLD).map(of).collect();
    let more = answered.mixed.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let said = || format!("{}{more}: files of owners who have opted out beside those of others, not scored", named.join(", "));
    answered.undecided().then(said)
}

/// A sentence in place of scores, as Markdown of a comment.
#[must_use]
pub fn markdown_of(sentence: &str) -> String {
    format!("{HEAD}{sentence}\n")
}

/// Changes, the riskiest first, as Markdown of a comment.
#[must_use]
pub fn markdown(answered: &Answered) -> String {
    let all: Vec<&Scored> = answered.all().collect();
    let mut text = HEAD.to_owned();
    if let Some(not) = not_scored(answered) {
        let _ = writeln!(text, "{not}.\n");
    }
    for (place, scored) in all.iter().copied().enumerate() {
        // The riskiest is read; the others are there for whoever asks.
        if place == 1 {
            let _ = writeln!(text, "<details><summary>{} more</summary>\n", all.len() - 1);
        }
        let mut lines = lines(scored).into_iter();
        let _ = writeln!(text, "**{}**\n", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(
                text,
                "{}",
                if line.starts_with("  - ") { line.trim_start().to_owned() } else { format!("\n{}", line.trim_start()) }
            );
        }
        let _ = writeln!(text);
    }
    if all.len() > 1 {
        text.push_str("</details>\n");
    }
    text
}
