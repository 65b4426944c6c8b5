//! Distances and divergences of two histograms over the same bins.
//!
//! Shares come from counts over the number of values. Divergences that a share of 0 makes infinite have zeros filled as
//! [`filled`] says.

/// Shares of a histogram; none where it is empty.
#[must_use]
pub fn shares(counts: &[u64]) -> Option<Vec<f64>> {
    let total: u64 = counts.iter().sum();
    (total > 0).then(|| counts.iter().map(|c| *c as f64 / total as f64).collect())
}

/// A zero share becomes this, unless a real share is as small.
const SHARE_MIN: f64 = 1e-4;

/// Shares with zeros filled: by 0.0001, or by a millionth of the smallest share where that is at most 0.0001.
#[must_use]
pub fn filled(mut shares: Vec<f64>) -> Vec<f64> {
    let least = shares.iter().copied().filter(|s| *s > 0.0).fold(f64::INFINITY, f64::min);
    let fill = if least <= SHARE_MIN { least / 1e6 } else { SHARE_MIN };
    for share in &mut shares {
        if *share == 0.0 {
            *share = fill;
        }
    }
    shares
}

fn both(reference: &[u64], current: &[u64]) -> Option<(Vec<f64>, Vec<f64>)> {
    if reference.len() != current.len() {
        return None;
    }
    Some((shares(reference)?, shares(current)?))
}

fn normed(shares: Vec<f64>) -> Vec<f64> {
    let total: f64 = shares.iter().sum();
    shares.into_iter().map(|s| s / total).collect()
}

/// p log(p / q), 0 where p is, infinite where only q is.
fn relative(p: f64, q: f64) -> f64 {
    if p <= 0.0 {
        0.0
    } else if q <= 0.0 {
        f64::INFINITY
    } else {
        p * libm::log(p / q)
    }
}

/// Jensen and Shannon's distance: the root of the divergence in nats, so 0 to 0.8326.
#[must_use]
pub fn jensen_shannon(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    let (p, q) = (normed(p), normed(q));
    let term = |(p, q): (&f64, &f64)| {
        let middle = (p + q) / 2.0;
        relative(*p, middle) + relative(*q, middle)
    };
    let sum: f64 = p.iter().zip(&q).map(term).sum();
    Some(libm::sqrt((sum / 2.0).max(0.0)))
}

/// Population stability index, zeros filled.
#[must_use]
pub fn stability_index(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    let (p, q) = (filled(p), filled(q));
    Some(p.iter().zip(&q).map(|(p, q)| (p - q) * libm::log(p / q)).sum())
}

/// Kullback and Leibler's divergence of the reference from the current shares in nats, zeros filled.
#[must_use]
pub fn kullback_leibler(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    let (p, q) = (normed(filled(p)), normed(filled(q)));
    Some(p.iter().zip(&q).map(|(p, q)| relative(*p, *q)).sum())
}

/// Hellinger's distance of two histograms of categories, 0 to 1.
#[must_use]
pub fn hellinger(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    let overlap: f64 = p.iter().zip(&q).map(|(p, q)| libm::sqrt(p * q)).sum();
    Some(libm::sqrt(1.0 - overlap.clamp(0.0, 1.0)))
}

/// Hellinger's distance of two histograms over bins of numbers, by their densities.
#[must_use]
pub fn hellinger_binned(reference: &[u64], current: &[u64], edges: &[f64]) -> Option<f64> {
    let totals = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    let (first, last) = (edges.first()?, edges.last()?);
    if totals.0 <= 0.0 || totals.1 <= 0.0 || reference.len() != current.len() || reference.len() + 1 != edges.len() {
        return None;
    }
    let width = (last - first) / reference.len() as f64;
    let gaps = edges.windows(2).map(|w| if let [low, high] = w { high - low } else { f64::NAN });
    let density = |counts: u64, gap: f64, total: f64| counts as f64 / gap / total;
    let overlap: f64 = reference
        .iter()
        .zip(current)
        .zip(gaps)
        .map(|((r, c), gap)| libm::sqrt(density(*r, gap, totals.0) * density(*c, gap, totals.1)) * width)
        .sum();
    Some(libm::sqrt(1.0 - overlap.clamp(0.0, 1.0)))
}

/// Total variation distance: the largest difference in the chance of any event.
#[must_use]
pub fn total_variation(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    Some(0.5 * p.iter().zip(&q).map(|(p, q)| libm::fabs(p - q)).sum::<f64>())
}

/// The largest difference of two shares.
#[must_use]
pub fn l_infinity(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both(reference, current)?;
    p.iter().zip(&q).map(|(p, q)| libm::fabs(p - q)).reduce(f64::max)
}
