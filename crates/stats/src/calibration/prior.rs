//! Probabilities moved to another share of positives, where all else about the rows stayed as it was.

fn inside(share: f64) -> bool {
    share > 0.0 && share < 1.0
}

/// A probability learned where the share of positives was `from`, as it is where the share is `to`: its odds times the ratio of
/// the odds of both shares (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 2).
///
/// It holds where positives look as they did, and negatives too, and only their numbers changed; also to undo weights of classes
/// or sampling. None unless the probability is in [0, 1] and both shares within (0, 1),
/// or where these are so small that nothing is left of the odds.
#[must_use]
pub fn moved_to_share(probability: f64, from: f64, to: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&probability) || !inside(from) || !inside(to) {
        return None;
    }
    let (up, down) = (probability * to * (1.0 - from), (1.0 - probability) * (1.0 - to) * from);
    (up + down > 0.0).then(|| up / (up + down))
}
