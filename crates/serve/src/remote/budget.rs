//! How many requests may be asked once more: a share of all of the last seconds, and some each second besides.
//!
//! The share keeps a total outage from becoming as many requests again; the constant part lets a service with few requests retry at
//! all. It is the budget of Finagle and linkerd, counted over a sliding window. Time is an argument.

use crate::limits;
use std::collections::VecDeque;

/// One second's requests.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    asked: u64,
    retried: u64,
}

/// What is left of it is not kept but counted anew from the window.
#[derive(Debug, Default)]
pub struct Budget {
    window: VecDeque<Second>,
}

impl Budget {
    /// A request, on its first attempt.
    pub fn asked(&mut self, now_ms: u64) {
        self.now(now_ms).asked += 1;
    }

    /// Whether a request may be asked once more; if so, it is counted.
    pub fn retry(&mut self, now_ms: u64) -> bool {
        self.now(now_ms);
        let sum = |of: fn(&Second) -> u64| self.window.iter().map(of).sum::<u64>();
        let (asked, retried) = (sum(|s| s.asked), sum(|s| s.retried));
        let allowed = asked * limits::RETRY_BUDGET_BP / 10_000 + limits::RETRIES_A_SECOND * limits::RETRY_WINDOW_S;
        if retried >= allowed {
            return false;
        }
        self.now(now_ms).retried += 1;
        true
    }

    fn now(&mut self, now_ms: u64) -> &mut Second {
        let newest = self.window.back().map_or(0, |s| s.number);
        let number = (now_ms / 1_000).max(newest);
        while self.window.front().is_some_and(|s| s.number + limits::RETRY_WINDOW_S <= number) {
            self.window.pop_front();
        }
        if self.window.back().is_none_or(|s| s.number < number) {
            self.window.push_back(Second { number, ..Second::default() });
        }
        let last = self.window.len() - 1;
        &mut self.window[last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fifth_of_the_requests_and_ten_a_second() {
        let mut budget = Budget::default();
        let constant = (limits::RETRIES_A_SECOND * limits::RETRY_WINDOW_S) as usize;
        assert_eq!((0..1_000).filter(|_| budget.retry(5)).count(), constant, "a service without requests may retry some");
        for i in 0..1_000 {
            budget.asked(i);
        }
        assert_eq!((0..1_000).filter(|_| budget.retry(1_000)).count(), 200);
        assert!(!budget.retry(10_999) && budget.retry(1_000 * (limits::RETRY_WINDOW_S + 1)), "what is older than the window is forgotten");
    }

    proptest! {
        #[test]
        fn an_outage_is_never_much_more_than_its_requests(gaps in prop::collection::vec(0..300_u64, 1..2_000)) {
            let (mut budget, mut now_ms, mut retried) = (Budget::default(), 0, 0);
            for gap in &gaps {
                now_ms += gap;
                budget.asked(now_ms);
                retried += u64::from(budget.retry(now_ms));
            }
            let windows = now_ms / (1_000 * limits::RETRY_WINDOW_S) + 1;
            let constant = windows * limits::RETRIES_A_SECOND * limits::RETRY_WINDOW_S;
            prop_assert!(retried <= gaps.len() as u64 / 5 + 2 * constant);
        }
    }
}
