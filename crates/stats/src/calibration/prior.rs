//! Probabilities moved to another share of positives, where all else about the rows stayed as it was.

/// Most rounds of the search; each brings the share nearer.
const ROUNDS_MAX: usize = 10_000;
/// A round that moves the share less ends the search.
const MOVE_MIN: f64 = 1e-10;

fn inside(share: f64) -> bool {
    share > 0.0 && share < 1.0
}

/// A probability learned where the share of positives was `from`, as it is where the share is `to`: its odds times the ratio of
/// the odds of both shares (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 2).
///
/// It holds where positives look as they did, and negatives too, and only their numbers changed; also to undo weights of classes
/// or sampling. None unless the probability is in [0, 1] and both shares within (0, 1).
#[must_use]
pub fn moved_to_share(probability: f64, from: f64, to: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&probability) || !inside(from) || !inside(to) {
        return None;
    }
    let (up, down) = (probability * (to / from), (1.0 - probability) * ((1.0 - to) / (1.0 - from)));
    Some(up / (up + down))
}

/// The share of positives among rows without labels, from calibrated probabilities learned where it was `from`: the share that
/// is the mean of the probabilities moved to it (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a
/// priori probabilities", Neural Computation 14, 2002, by their EM algorithm).
///
/// An estimate of greatest likelihood; it needs some hundreds of rows, and is wrong where more than the share changed. None
/// without rows, for a probability outside [0, 1], for a share outside (0, 1), and where the answer would be 0 or 1.
#[must_use]
pub fn share_of_positives(probabilities: &[f64], from: f64) -> Option<f64> {
    if probabilities.is_empty() || !inside(from) {
        return None;
    }
    let mut share = from;
    for _ in 0..ROUNDS_MAX {
        let mut sum = 0.0;
        for p in probabilities {
            sum += moved_to_share(*p, from, share)?;
        }
        let next = sum / probabilities.len() as f64;
        let moved = libm::fabs(next - share);
        share = next;
        if moved < MOVE_MIN || !inside(share) {
            break;
        }
    }
    inside(share).then_some(share)
}
