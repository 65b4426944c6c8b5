//! The model of the repository, what it was worth, and the newest changes.

use super::desk::{Shown, UNREAD_MAX};
use super::{TRAIN, figures};
use crate::steps::risk::{
    By, Contributed, EARLIER, Ends, Kept, Labelled, NEWEST, NotKept, drift, meaning, moved_by, sizes, way_of, worth as reckon,
};
use std::collections::HashMap;
use std::time::UNIX_EPOCH;
use tidegate_console::view::risk::{Importance, ModelFacts, Reasons, RiskLabel, RiskRow, RiskSaid, RiskView, Stand, Unread};
use tidegate_core::id::At;
use tidegate_core::worth::{State as SaidOf, Worth};
use tidegate_history::{Change, ChangeNumber};
use tidegate_learn::Score;

/// Newest changes that are listed.
const CHANGES_MAX: usize = 50;
/// Newest judged changes over which features are weighed.
const WEIGHED_MAX: usize = 200;
/// Features of the drift of reasons that are told.
const MOVED_MAX: usize = 3;
/// Features that are told.
const FEATURES_MAX: usize = 15;
const SECOND_MS: i64 = 1_000;
const DAY_S: f64 = 86_400.0;

/// A time in seconds.
pub fn at(seconds: i64) -> At {
    At(seconds.saturating_mul(SECOND_MS))
}

/// A change that can be scored by itself.
pub fn scored(change: &Change) -> bool {
    !change.merge() && !change.files.is_empty()
}

/// Whoever says it, without a name; what a person wrote is told where labels are listed.
pub fn label(of: &Labelled) -> RiskLabel {
    let (by, why) = match of.by {
        By::Person => ("person", String::new()),
        By::Delivery => ("delivery", of.why.clone()),
        By::History => ("history", of.why.clone()),
    };
    RiskLabel { ended: of.ended, by, why }
}

/// All but what the model was worth.
pub fn view(shown: &Shown) -> RiskView {
    let kept = match shown.kept.as_ref() {
        Ok(kept) => kept,
        Err(none) => return nothing(none),
    };
    let mut notes = kept.notes.clone();
    let judged = match &kept.judged {
        Ok(judged) => judged.as_slice(),
        Err(why) => {
            notes.push(format!("What the model was judged on is not known: {why}."));
            &[]
        }
    };
    let weighed: Vec<ChangeNumber> = judged.iter().rev().take(WEIGHED_MAX).filter_map(|one| kept.mined.named(&one.commit)).collect();
    let (newest, listed) = (newest(shown, kept), listed(shown, kept));
    let scores = scores(shown, kept, weighed.iter().chain(&newest).chain(&listed));
    let (importance, importance_of) = importance(&moved(&scores, &weighed));
    RiskView {
        stand: Stand::Ready,
        why: None,
        command: None,
        notes,
        model: Some(facts(kept)),
        judged: figures::of(judged),
        importance,
        importance_of,
        reasons: reasons(&scores, &newest),
        worth: None,
        unread: unread(shown, kept),
        changes: listed.into_iter().filter_map(|number| row(shown, kept, &scores, number)).collect(),
    }
}

/// What the model was worth, by what was said; none where there is nothing to tell it by.
pub fn worth(shown: &Shown, said: &SaidOf) -> Option<Worth> {
    let kept = shown.kept.as_ref().as_ref().ok()?;
    let drawn = shown.opened.config.risk.trial.is_some();
    Some(reckon(said, &Ends::new(&kept.mined, &shown.labels, shown.told()), None, drawn))
}

fn nothing(none: &NotKept) -> RiskView {
    let (stand, why, command) = match none {
        NotKept::NoModel(why) => (Stand::NoModel, why, TRAIN),
        NotKept::Model(why) => (Stand::ModelDamaged, why, TRAIN),
        NotKept::History(why) => (Stand::HistoryUnreadable, why, TRAIN),
        NotKept::Owners(why) => (Stand::OwnersUnknown, why, "write a CODEOWNERS, or take `risk.opt_out` out of tidegate.yaml"),
    };
    RiskView { stand, why: Some(why.clone()), command: Some(command.to_owned()), ..RiskView::default() }
}

fn facts(kept: &Kept) -> ModelFacts {
    let training = kept.model.training();
    let since = kept.trained.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    ModelFacts {
        trained: since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(At),
        rows: training.rows,
        base_rate: training.base_rate,
        from: at(training.from),
        until: at(training.until),
        maturity_days: training.maturity_seconds as f64 / DAY_S,
        features: kept.model.features().len(),
    }
}

/// Each of these changes is scored once, whatever its score is looked at for.
fn scores<'n>(shown: &Shown, kept: &Kept, numbers: impl Iterator<Item = &'n ChangeNumber>) -> HashMap<ChangeNumber, Score> {
    let mut scores = HashMap::new();
    for number in numbers {
        if scores.contains_key(number) {
            continue;
        }
        let change = kept.mined.changes().get(number.0 as usize);
        if let Some(score) = change.and_then(|change| kept.model.score(&kept.row(change, &shown.reviews)).ok()) {
            scores.insert(*number, score);
        }
    }
    scores
}

fn moved(scores: &HashMap<ChangeNumber, Score>, numbers: &[ChangeNumber]) -> Vec<Contributed> {
    numbers.iter().filter_map(|number| scores.get(number)).map(moved_by).collect()
}

/// Mean size of what each feature adds over some changes, most first, and over how many.
fn importance(of: &[Contributed]) -> (Vec<Importance>, usize) {
    let mean = |(feature, sum): (&str, f64)| Importance {
        meaning: meaning(feature),
        feature: feature.to_owned(),
        mean_log_odds: sum / of.len() as f64,
    };
    let mut all: Vec<Importance> = sizes(of).into_iter().map(mean).collect();
    all.sort_by(|a, b| b.mean_log_odds.total_cmp(&a.mean_log_odds).then_with(|| a.feature.cmp(&b.feature)));
    all.truncate(FEATURES_MAX);
    (all, of.len())
}

/// What is checked out, or what was read where that is not known.
fn tip(shown: &Shown, kept: &Kept) -> Option<ChangeNumber> {
    shown.head.and_then(|head| kept.mined.number(&head)).or(kept.mined.number(&kept.mined.tip()))
}

/// The newest changes by which the drift of reasons is told, newest first.
fn newest(shown: &Shown, kept: &Kept) -> Vec<ChangeNumber> {
    let mine = |change: &Change| scored(change) && !kept.owners.opted_out(&kept.owners.of_change(&kept.mined, change));
    tip(shown, kept).map(|from| kept.mined.newest(from, NEWEST + EARLIER, mine)).unwrap_or_default()
}

/// What moves the newest changes beside what moved those before them.
fn reasons(scores: &HashMap<ChangeNumber, Score>, newest: &[ChangeNumber]) -> Option<Reasons> {
    let (now, before) = newest.split_at(newest.len().min(NEWEST));
    let drift = drift(&moved(scores, before), &moved(scores, now))?;
    let moved = drift.shares.into_iter().take(MOVED_MAX).collect();
    Some(Reasons { agreement: drift.agreement, drifted: drift.drifted, changes: drift.rows, moved })
}

fn unread(shown: &Shown, kept: &Kept) -> Option<Unread> {
    let (head, behind) = (shown.head?, shown.unread?);
    Some(Unread {
        head: head.to_string(),
        read_to: kept.mined.tip().to_string(),
        commits: behind.map(|count| count.min(UNREAD_MAX)),
        more: behind.is_some_and(|count| count > UNREAD_MAX),
        command: TRAIN.to_owned(),
    })
}

/// The changes that are listed.
fn listed(shown: &Shown, kept: &Kept) -> Vec<ChangeNumber> {
    tip(shown, kept).map(|from| kept.mined.newest(from, CHANGES_MAX, scored)).unwrap_or_default()
}

fn row(shown: &Shown, kept: &Kept, scores: &HashMap<ChangeNumber, Score>, number: ChangeNumber) -> Option<RiskRow> {
    let change = kept.mined.changes().get(number.0 as usize)?;
    let owners = kept.owners.of_change(&kept.mined, change);
    let kept_back = shown.keeps_back(number, &change.id);
    let score = if kept_back || kept.owners.opted_out(&owners) { None } else { scores.get(&number) };
    let risk = score.map(|score| {
        let (_, way) = way_of(score, &shown.opened.config.risk, &owners);
        RiskSaid { probability: score.probability, interval: score.interval, way }
    });
    Some(RiskRow { commit: change.id.to_string(), at: at(change.at_s), risk, kept_back, label: shown.labels.get(&number).map(label) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::correction::Ended;
    use tidegate_learn::ends::Ends;

    #[test]
    fn nobody_is_named_by_a_label() {
        let of = |by| {
            label(&Labelled {
                commit: String::new(),
                ended: Ended::Hurt,
                by,
                why: "ada says: the tills".to_owned(),
                against: None,
                ends: Ends::new(None),
            })
        };
        assert_eq!((of(By::Person).by, of(By::Person).why.as_str()), ("person", ""));
        assert_eq!((of(By::Delivery).by, of(By::Delivery).ended), ("delivery", Ended::Hurt));
        assert_eq!(of(By::History).by, "history");
    }
}
