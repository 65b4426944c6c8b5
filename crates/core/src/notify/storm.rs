//! Storms: what happens at once is one message, and there are only so many messages in a while.

use super::{Item, Topic};
use crate::id::At;
use std::collections::{BTreeMap, VecDeque};

/// How long others that may follow are waited for, so that they come in one message.
pub const GATHER_MS: u64 = 2_000;
/// Happenings that a message lists; the others are counted.
pub const LISTED_MAX: usize = 10;

/// How many messages a person gets at most. Those with a page are counted apart: a page never waits for chatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many.
    pub most: u32,
    /// In so long.
    pub within_ms: u64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: nothing waits.
    Rest,
    /// Nothing before this.
    Wait {
        /// When to ask again.
        until: At,
    },
    /// One message with everything that waits.
    Send,
}

/// The messages of late.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    pages: VecDeque<At>,
    others: VecDeque<At>,
}

impl Storm {
    /// What is to be done with what waits, the oldest first.
    #[must_use]
    pub fn turn(&self, limits: Limits, waiting: &[Item], now: At) -> Turn {
        let Some(first) = waiting.first() else { return Turn::Rest };
        let gathered = now < first.at || now.since_ms(first.at) >= GATHER_MS;
        if !gathered && waiting.len() < LISTED_MAX {
            return Turn::Wait { until: first.at.plus_ms(GATHER_MS) };
        }
        let of_late = if pages(waiting) { &self.pages } else { &self.others };
        let recent = |at: &&At| **at <= now && now.since_ms(**at) < limits.within_ms;
        let mut recent = of_late.iter().filter(recent).peekable();
        match recent.peek().copied().copied() {
            Some(oldest) if recent.count() >= usize::try_from(limits.most).unwrap_or(usize::MAX) => {
                Turn::Wait { until: oldest.plus_ms(limits.within_ms) }
            }
            _ => Turn::Send,
        }
    }

    /// A message with these was sent.
    pub fn sent(&mut self, limits: Limits, items: &[Item], at: At) {
        let of_late = if pages(items) { &mut self.pages } else { &mut self.others };
        of_late.push_back(at);
        while of_late.len() > usize::try_from(limits.most).unwrap_or(usize::MAX) {
            of_late.pop_front();
        }
    }
}

fn pages(items: &[Item]) -> bool {
    items.iter().any(|item| item.topic == Topic::Page)
}

/// What a message says of what happened, a line each: pages first, what is the same once, and how many of what are left out.
#[must_use]
pub fn listed(items: &[Item]) -> Vec<String> {
    let mut each: Vec<(&Item, u32)> = vec![];
    for item in items {
        match each.iter_mut().find(|(known, _)| (&known.subject, &known.text) == (&item.subject, &item.text)) {
            Some((_, times)) => *times += 1,
            None => each.push((item, 1)),
        }
    }
    // Stable: within each they stay in the order in which they happened.
    each.sort_by_key(|(item, _)| item.topic != Topic::Page);
    let line = |(item, times): &(&Item, u32)| {
        let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
        format!("{}: {}{times}", item.subject, item.text)
    };
    let mut lines: Vec<String> = each.iter().take(LISTED_MAX).map(line).collect();
    let mut left: BTreeMap<Topic, u32> = BTreeMap::new();
    for (item, times) in each.iter().skip(LISTED_MAX) {
        *left.entry(item.topic).or_default() += times;
    }
    if !left.is_empty() {
        let counts: Vec<String> = left.iter().map(|(topic, n)| format!("{n} {}", topic.name())).collect();
        lines.push(format!("and {} more: {}", left.values().sum::<u32>(), counts.join(", ")));
    }
    lines
}
