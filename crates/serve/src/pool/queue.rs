//! Requests that wait for their turn with one worker: interactive ones before those of batch priority, which keep a share.
//!
//! Pure: what waits and what was measured in, who is next and how long a newcomer would wait out.

use crate::frame::{Answer, Body};
use crate::limits::{BATCH_TURN, WORKER_AHEAD_MIN, WORKER_AHEAD_US, WORKER_QUEUE_MAX};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// How soon a request is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// It may wait while others do.
    Batch,
}

impl Priority {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Interactive => "interactive",
            Priority::Batch => "batch",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Priority> {
        [Priority::Interactive, Priority::Batch].into_iter().find(|priority| priority.as_str() == name)
    }
}

/// A request that waits.
#[derive(Debug)]
pub struct Waiting {
    pub number: u64,
    pub body: Body,
    pub sender: oneshot::Sender<Answer>,
}

/// The queue of one worker.
#[derive(Debug, Default)]
pub struct Queue {
    interactive: VecDeque<Waiting>,
    batch: VecDeque<Waiting>,
    /// Turns taken while both kinds waited.
    turns: u64,
    /// Microseconds from one answer to the next while some are owed: in the mean of so many, and as quick as they have been lately.
    mean_us: f64,
    measured: u32,
    quick_us: f64,
}

/// Answers that the mean remembers: later ones are forgotten by and by. With fewer, one request that takes half a second would speak for
/// all that wait behind it.
const MEAN_OF: u32 = 32;
/// Answers that are taken to have come in no time before the first, for the same reason: it may be the one that is slow.
const MEAN_BEFORE: u32 = 8;
/// Its weight in what is quick: one request that takes long says little of the next, one that is quick shows what is possible.
const SMOOTHING_UP: f64 = 1.0 / 16.0;
const SMOOTHING_DOWN: f64 = 1.0 / 4.0;
/// Longest time that is measured, in microseconds.
const MEASURED_US_MAX: f64 = 60e6;

impl Queue {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.interactive.len() + self.batch.len()
    }

    /// Requests that may be handed to the worker ahead of its answers: as many as keep it busy while the next one is on its way, and no
    /// more, for what it has been handed nobody can overtake. Before the first answer nothing is known, and it is handed the fewest.
    pub fn ahead(&self) -> usize {
        let work_us = if self.quick_us > 0.0 { self.quick_us } else { f64::INFINITY };
        // A float beyond the range of the integer becomes its end.
        ((WORKER_AHEAD_US as f64 / work_us) as usize).clamp(WORKER_AHEAD_MIN, WORKER_QUEUE_MAX)
    }

    /// Takes note of answers that came together, and of the time since those before them.
    pub fn answered(&mut self, answers: usize, after_us: f64) {
        let each_us = after_us.min(MEASURED_US_MAX) / answers.max(1) as f64;
        for _ in 0..answers {
            self.measured = (self.measured + 1).min(MEAN_OF);
            let up = if each_us < self.quick_us { SMOOTHING_DOWN } else { SMOOTHING_UP };
            self.mean_us += (each_us - self.mean_us) / f64::from((self.measured + MEAN_BEFORE).min(MEAN_OF));
            self.quick_us += (each_us - self.quick_us) * if self.measured > 1 { up } else { 1.0 };
        }
    }

    /// How long a newcomer would wait, in microseconds, while the worker owes so many answers.
    pub fn wait_us(&self, priority: Priority, owed: u64) -> f64 {
        let before = match priority {
            Priority::Interactive => self.interactive.len() + self.batch.len().min(self.interactive.len() / (BATCH_TURN as usize - 1)),
            // While interactive ones wait it is each tenth turn.
            Priority::Batch if !self.interactive.is_empty() => self.len().max((self.batch.len() + 1).saturating_mul(BATCH_TURN as usize)),
            Priority::Batch => self.len(),
        };
        self.mean_us * (before as f64 + owed as f64)
    }

    /// Whether there is room for one more; those of batch priority leave a quarter to others.
    pub fn has_room(&self, priority: Priority, handed: usize) -> bool {
        match priority {
            Priority::Interactive => self.len() + handed < WORKER_QUEUE_MAX,
            Priority::Batch => self.batch.len() < WORKER_QUEUE_MAX / 4 * 3 && self.len() + handed < WORKER_QUEUE_MAX,
        }
    }

    /// Lets a request wait.
    pub fn push(&mut self, priority: Priority, waiting: Waiting) {
        match priority {
            Priority::Interactive => self.interactive.push_back(waiting),
            Priority::Batch => self.batch.push_back(waiting),
        }
    }

    /// Who is next.
    pub fn pop(&mut self) -> Option<Waiting> {
        if !self.interactive.is_empty() && !self.batch.is_empty() {
            self.turns += 1;
            if self.turns.is_multiple_of(BATCH_TURN) {
                return self.batch.pop_front();
            }
        }
        self.interactive.pop_front().or_else(|| self.batch.pop_front())
    }

    /// Whether a request waits.
    pub fn holds(&self, number: u64) -> bool {
        self.interactive.iter().chain(&self.batch).any(|waiting| waiting.number == number)
    }

    /// Forgets a request whose asker has given up.
    pub fn forget(&mut self, number: u64) {
        self.interactive.retain(|waiting| waiting.number != number);
        self.batch.retain(|waiting| waiting.number != number);
    }

    /// Forgets all: their askers learn that no answer comes.
    pub fn clear(&mut self) {
        self.interactive.clear();
        self.batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(order: &[Priority]) -> Queue {
        let mut queue = Queue::default();
        for (number, priority) in order.iter().enumerate() {
            let (sender, _) = oneshot::channel();
            queue.push(*priority, Waiting { number: number as u64, body: Body::default(), sender });
        }
        queue
    }

    fn order(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.number).collect()
    }

    #[test]
    fn interactive_requests_are_first_and_batch_ones_keep_their_share() {
        use Priority::{Batch, Interactive};
        assert_eq!(order(&mut queue(&[Batch, Interactive, Batch, Interactive])), [1, 3, 0, 2]);
        let many: Vec<Priority> = [[Batch; 40], [Interactive; 40]].concat();
        let order = order(&mut queue(&many));
        let batch_in_first = |n: usize| order.iter().take(n).filter(|number| **number < 40).count();
        assert_eq!((batch_in_first(10), batch_in_first(20), batch_in_first(40)), (1, 2, 4));
        assert_eq!(order.len(), 80);
    }

    #[test]
    fn what_is_handed_ahead_is_about_as_much_work_as_can_be_overtaken_late() {
        let mut queue = Queue::default();
        assert_eq!(queue.ahead(), WORKER_AHEAD_MIN);
        queue.answered(1, 10_000.0);
        assert_eq!(queue.ahead(), WORKER_AHEAD_MIN);
        for _ in 0..200 {
            queue.answered(1, 50.0);
        }
        assert_eq!(queue.ahead(), 39);
        // One that takes long is no rule, and is forgotten soon.
        queue.answered(1, f64::INFINITY);
        assert_eq!(queue.ahead(), WORKER_AHEAD_MIN);
        for _ in 0..60 {
            queue.answered(1, 50.0);
        }
        assert!(queue.ahead() > 30, "{}", queue.ahead());
    }

    #[test]
    fn a_newcomer_waits_for_those_who_come_first_only() {
        use Priority::{Batch, Interactive};
        let mut queue = queue(&[[Batch; 100].as_slice(), &[Interactive; 2]].concat());
        queue.answered(1_000, 1_000_000.0);
        let near = |wait: f64, us: f64| assert!((wait - us).abs() < 1.0, "{wait} {us}");
        near(queue.wait_us(Interactive, 2), 4_000.0);
        // Of 101 turns of its kind each is the tenth.
        near(queue.wait_us(Batch, 2), 1_012_000.0);
        assert!(queue.has_room(Batch, 2) && queue.has_room(Interactive, 2) && !queue.has_room(Interactive, 154));
    }

    #[test]
    fn one_slow_request_among_many_does_not_speak_for_all() {
        let mut queue = Queue::default();
        // Of sixteen one takes half a second, the first of all as well: a sixteenth of that is the mean, and no estimate is far above it.
        for n in 0..160 {
            queue.answered(1, if n % 16 == 0 { 500_000.0 } else { 100.0 });
            let wait = queue.wait_us(Priority::Interactive, 16);
            assert!(wait < 1_000_000.0 && (n < 32 || wait > 300_000.0), "{n}: {wait}");
        }
        // When all have become slow, two dozen answers are enough to know.
        for _ in 0..24 {
            queue.answered(1, 500_000.0);
        }
        assert!(queue.wait_us(Priority::Interactive, 16) > 4_000_000.0);
    }

    #[test]
    fn whoever_gives_up_is_not_asked_for() {
        use Priority::{Batch, Interactive};
        let mut queue = queue(&[Batch, Interactive, Interactive]);
        queue.forget(1);
        queue.forget(0);
        queue.forget(9);
        assert_eq!(order(&mut queue), [2]);
    }
}
