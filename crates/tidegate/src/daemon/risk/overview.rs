//! The model of the repository, what it was worth, and the newest changes.

use super::desk::{Shown, UNREAD_MAX};
use super::{TRAIN, figures};
use crate::steps::risk::{By, EARLIER, Kept, Labelled, NEWEST, NotKept, contributed, drift, meaning, way_of};
use std::collections::HashMap;
use std::time::UNIX_EPOCH;
use tidegate_console::view::risk::{Importance, ModelFacts, Reasons, RiskLabel, RiskRow, RiskSaid, RiskView, Stand, Unread};
use tidegate_core::id::At;
use tidegate_history::{Change, ChangeNumber};

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

/// The view.
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
    let newest = judged.iter().rev().take(WEIGHED_MAX).filter_map(|one| kept.mined.named(&one.commit));
    let (importance, importance_of) = importance(shown, kept, newest);
    RiskView {
        stand: Stand::Ready,
        why: None,
        command: None,
        notes,
        model: Some(facts(kept)),
        judged: figures::of(judged),
        importance,
        importance_of,
        reasons: reasons(shown, kept),
        unread: unread(shown, kept),
        changes: changes(shown, kept),
    }
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

/// Mean size of what each feature adds over some changes, most first, and over how many.
fn importance(shown: &Shown, kept: &Kept, changes: impl Iterator<Item = ChangeNumber>) -> (Vec<Importance>, usize) {
    let (mut sums, mut count): (HashMap<String, f64>, usize) = (HashMap::new(), 0);
    for change in changes.filter_map(|number| kept.mined.changes().get(number.0 as usize)) {
        let Ok(score) = kept.model.score(&kept.row(change, &shown.reviews)) else { continue };
        count += 1;
        for one in score.contributions {
            *sums.entry(one.feature).or_default() += one.log_odds.abs();
        }
    }
    let mean = |(feature, sum): (String, f64)| Importance { meaning: meaning(&feature), feature, mean_log_odds: sum / count as f64 };
    let mut all: Vec<Importance> = sums.into_iter().map(mean).collect();
    all.sort_by(|a, b| b.mean_log_odds.total_cmp(&a.mean_log_odds).then_with(|| a.feature.cmp(&b.feature)));
    all.truncate(FEATURES_MAX);
    (all, count)
}

/// What moves the newest changes beside what moved those before them.
fn reasons(shown: &Shown, kept: &Kept) -> Option<Reasons> {
    let from = shown.head.and_then(|head| kept.mined.number(&head)).or(kept.mined.number(&kept.mined.tip()))?;
    let mine = |change: &Change| scored(change) && !kept.owners.opted_out(&kept.owners.of_change(&kept.mined, change));
    let newest = kept.mined.newest(from, NEWEST + EARLIER, mine);
    let scores = |numbers: &[ChangeNumber]| {
        let changes = numbers.iter().filter_map(|number| kept.mined.changes().get(number.0 as usize));
        let rows: Vec<Vec<f64>> = changes.map(|change| kept.row(change, &shown.reviews)).collect();
        contributed(&kept.model, rows.iter().map(Vec::as_slice))
    };
    let (now, before) = newest.split_at(newest.len().min(NEWEST));
    let drift = drift(&scores(before), &scores(now))?;
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

/// The newest changes of what is checked out, or of what was read where that is not known.
fn changes(shown: &Shown, kept: &Kept) -> Vec<RiskRow> {
    let tip = kept.mined.number(&kept.mined.tip());
    let from = shown.head.and_then(|head| kept.mined.number(&head)).or(tip);
    let newest = from.map(|from| kept.mined.newest(from, CHANGES_MAX, scored)).unwrap_or_default();
    let one = |number: ChangeNumber| {
        let change = kept.mined.changes().get(number.0 as usize)?;
        let owners = kept.owners.of_change(&kept.mined, change);
        let kept_back = shown.keeps_back(number, &change.id);
        let score =
            (!kept_back && !kept.owners.opted_out(&owners)).then(|| kept.model.score(&kept.row(change, &shown.reviews)).ok()).flatten();
        let risk = score.map(|score| {
            let (_, way) = way_of(&score, &shown.opened.config.risk, &owners);
            RiskSaid { probability: score.probability, interval: score.interval, way }
        });
        Some(RiskRow { commit: change.id.to_string(), at: at(change.at_s), risk, kept_back, label: shown.labels.get(&number).map(label) })
    };
    newest.into_iter().filter_map(one).collect()
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
