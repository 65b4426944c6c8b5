//! How one replica is: by its probes, by its answers to golden requests, and by what becomes of requests. Time is an argument.

use crate::breaker::{Admission, Breaker, BreakerSettings};

/// What probes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked yet.
    Unknown,
    /// It is there, and its golden answers were right when they were asked last.
    Well,
    /// It does not answer, or says that it is not ready.
    Away(String),
    /// It answered a golden request otherwise. It stays so until all of them are right again.
    Wrong(String),
}

/// One replica's health.
#[derive(Debug)]
pub struct Health {
    standing: Standing,
    /// Probes missed in a row.
    missed: u32,
    misses_max: u32,
    breaker: Breaker,
    /// How often it was taken out.
    ejected: u64,
}

impl Health {
    /// A replica that nobody has looked at; so many probes missed in a row take it out.
    pub fn new(breaker: BreakerSettings, misses_max: u32) -> Health {
        Health { standing: Standing::Unknown, missed: 0, misses_max, breaker: Breaker::new(breaker), ejected: 0 }
    }

    /// What probes say.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// How often it was taken out, by probes, golden answers or its breaker.
    pub fn ejected(&self) -> u64 {
        self.ejected + self.breaker.opened()
    }

    /// Whether it is there, and was right whenever it was asked; what users' requests came to is not looked at.
    pub fn right_so_far(&self) -> bool {
        self.standing == Standing::Well
    }

    /// Whether it answered a golden request otherwise.
    pub fn wrong(&self) -> bool {
        matches!(self.standing, Standing::Wrong(_))
    }

    /// Whether it is asked before others.
    pub fn well(&self, now_ms: u64) -> bool {
        self.standing == Standing::Well && !self.breaker.refuses(now_ms)
    }

    /// It is there, and every golden request was answered right.
    pub fn right(&mut self) {
        self.missed = 0;
        self.standing = Standing::Well;
    }

    /// It is there. Says nothing of one whose answers were wrong, or that has to answer golden requests first.
    pub fn there(&mut self) {
        self.missed = 0;
    }

    /// A probe that got no answer, or a refusal; whether that takes it out.
    pub fn miss(&mut self, why: &str) -> bool {
        self.missed = self.missed.saturating_add(1);
        if self.wrong() || (self.standing == Standing::Well && self.missed < self.misses_max) {
            return false;
        }
        self.out(Standing::Away(why.to_owned()))
    }

    /// Its process has ended: what was known of it is nothing of the next one.
    pub fn ended(&mut self, why: &str) {
        self.missed = 0;
        self.out(Standing::Away(why.to_owned()));
    }

    /// A golden request that was answered otherwise; whether that takes it out.
    pub fn answered_wrong(&mut self, why: &str) -> bool {
        self.out(Standing::Wrong(why.to_owned()))
    }

    fn out(&mut self, standing: Standing) -> bool {
        let was_well = self.standing == Standing::Well;
        self.ejected += u64::from(was_well);
        self.standing = standing;
        was_well
    }

    /// Whether a request may come. What is admitted must be settled.
    pub fn admit(&mut self, now_ms: u64) -> Admission {
        self.breaker.admit(now_ms)
    }

    /// What became of a request that was let through: a good answer, a failure, or nothing that says how the replica is.
    pub fn settle(&mut self, now_ms: u64, admission: Admission, good: Option<bool>) {
        match good {
            Some(good) => self.breaker.record(now_ms, admission, good),
            None => self.breaker.give_up(admission),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(BreakerSettings::default(), 2)
    }

    #[test]
    fn two_missed_probes_take_it_out_and_right_answers_bring_it_back() {
        let mut health = health();
        assert!(!health.well(0), "nobody has looked");
        health.there();
        assert!(!health.well(0), "being there is not being right");
        health.right();
        assert!(health.well(0) && !health.miss("no answer"));
        health.there();
        assert!(!health.miss("no answer") && health.well(0), "not in a row");
        assert!(health.miss("no answer") && !health.well(0));
        assert_eq!(health.standing(), &Standing::Away("no answer".to_owned()));
        assert!(!health.miss("refused") && health.ejected() == 1, "it is out already");
        health.right();
        assert!(health.well(0));
    }

    #[test]
    fn one_wrong_answer_is_enough_and_being_there_does_not_mend_it() {
        let mut health = health();
        health.right();
        assert!(health.answered_wrong("score is 3, known is 2") && health.wrong());
        health.there();
        assert!(!health.miss("no answer") && health.wrong(), "one that goes away stays wrong until it is right");
        health.right();
        assert!(health.well(0) && health.ejected() == 1);
    }

    #[test]
    fn failures_in_a_row_or_half_of_many_take_it_out() {
        let mut health = Health::new(BreakerSettings { in_a_row: Some(5), ..BreakerSettings::default() }, 2);
        health.right();
        for _ in 0..4 {
            let admission = health.admit(0);
            health.settle(0, admission, Some(false));
        }
        assert!(health.well(0));
        let admission = health.admit(0);
        health.settle(0, admission, Some(false));
        assert!(!health.well(0) && health.ejected() == 1);
        assert!(health.well(5_000), "after its time it may be tried");
    }
}
