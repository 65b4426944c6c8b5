//! Rows of each group, counted by label and decision.

use crate::confidence::wilson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was counted in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCounts {
    /// The group.
    pub group: usize,
    /// Rows.
    pub rows: u64,
    /// Rows decided positive.
    pub selected: u64,
    /// Rows with a positive label.
    pub positives: u64,
    /// Rows with a positive label that are decided positive.
    pub selected_positives: u64,
}

/// A share of rows with its two-sided interval by Wilson's score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Rows that count.
    pub hits: u64,
    /// Rows asked.
    pub rows: u64,
    /// The share; none without rows.
    pub estimate: Option<f64>,
    /// Lower end; 0 without rows.
    pub low: f64,
    /// Upper end; 1 without rows.
    pub high: f64,
}

impl Share {
    /// `hits` of `rows`, with an interval of the given confidence (as .95).
    #[must_use]
    pub fn of(hits: u64, rows: u64, confidence: f64) -> Share {
        let (low, high) = wilson(rows, hits, confidence);
        Share { hits, rows, estimate: ratio(hits, rows), low, high }
    }
}

/// A quotient of counts; none over 0.
pub(super) fn ratio(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

impl GroupCounts {
    /// Rows with a negative label.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        self.rows.saturating_sub(self.positives)
    }

    /// Rows with a negative label that are decided positive.
    #[must_use]
    pub fn selected_negatives(&self) -> u64 {
        self.selected.saturating_sub(self.selected_positives)
    }

    /// Share of rows decided positive.
    #[must_use]
    pub fn selection_rate(&self, confidence: f64) -> Share {
        Share::of(self.selected, self.rows, confidence)
    }

    /// Share of positive rows decided positive.
    #[must_use]
    pub fn true_positive_rate(&self, confidence: f64) -> Share {
        Share::of(self.selected_positives, self.positives, confidence)
    }

    /// Share of negative rows decided positive.
    #[must_use]
    pub fn false_positive_rate(&self, confidence: f64) -> Share {
        Share::of(self.selected_negatives(), self.negatives(), confidence)
    }

    /// Share of rows with a positive label.
    #[must_use]
    pub fn base_rate(&self, confidence: f64) -> Share {
        Share::of(self.positives, self.rows, confidence)
    }

    fn add(&mut self, decision: bool, label: bool) {
        self.rows += 1;
        self.selected += u64::from(decision);
        self.positives += u64::from(label);
        self.selected_positives += u64::from(decision && label);
    }
}

/// Counts of every group there is, ascending by group. None for columns of different lengths.
#[must_use]
pub fn tally(decisions: &[bool], labels: &[bool], groups: &[usize]) -> Option<Vec<GroupCounts>> {
    if decisions.len() != labels.len() || decisions.len() != groups.len() {
        return None;
    }
    let mut counts: BTreeMap<usize, GroupCounts> = BTreeMap::new();
    for ((decision, label), group) in decisions.iter().zip(labels).zip(groups) {
        let of = GroupCounts { group: *group, ..GroupCounts::default() };
        counts.entry(*group).or_insert(of).add(*decision, *label);
    }
    Some(counts.into_values().collect())
}

/// All groups as one, under the number of the first.
#[must_use]
pub fn pooled(groups: &[GroupCounts]) -> GroupCounts {
    let first = groups.first().map_or(0, |counts| counts.group);
    groups.iter().fold(GroupCounts { group: first, ..GroupCounts::default() }, |all, one| GroupCounts {
        group: first,
        rows: all.rows + one.rows,
        selected: all.selected + one.selected,
        positives: all.positives + one.positives,
        selected_positives: all.selected_positives + one.selected_positives,
    })
}
