//! A method's score on two columns, and which method suits them: Evidently's choices, bins and corner cases.

use super::field::{Categories, Field, Numbers};
use super::method::Method;
use tidegate_stats::compare::ranks::{Alternative, Tie, ties};
use tidegate_stats::compare::{Tested, bins, categories, cramer, divergence, epps, means, ranks};
use tidegate_stats::distance;

/// Up to this many reference values columns are judged by tests, above by distances.
pub const TEST_ROWS_MAX: u64 = 1_000;
/// Numbers of at most this many different values are judged as categories.
const FEW_VALUES: usize = 5;
/// Of more different reference values than this, numbers are binned; otherwise each value is a bin.
const BINNED_ABOVE: usize = 20;
/// Smallest standard deviation that a Wasserstein distance is divided by.
const DEVIATION_MIN: f64 = 0.001;

/// The method that is chosen where none is named.
#[must_use]
pub fn choose(reference: &Field, current: &Field) -> Option<Method> {
    let small = reference.count() <= TEST_ROWS_MAX;
    let (numbers, distinct) = match (reference, current) {
        (Field::Numbers(a), Field::Numbers(b)) => (true, few_distinct(a, b)),
        (Field::Categories(a), Field::Categories(b)) => (false, a.beside(b).0.len()),
        (Field::Numbers(_), Field::Categories(_)) | (Field::Categories(_), Field::Numbers(_)) => return None,
    };
    Some(match (numbers && distinct > FEW_VALUES, small) {
        (true, true) => Method::KolmogorovSmirnov,
        (true, false) => Method::Wasserstein,
        (false, true) if distinct > 2 => Method::ChiSquare,
        (false, true) => Method::Proportions,
        (false, false) => Method::JensenShannon,
    })
}

/// Different values of both, counted no further than it matters.
fn few_distinct(a: &Numbers, b: &Numbers) -> usize {
    let mut found: Vec<f64> = Vec::new();
    for values in [&a.values, &b.values] {
        let mut last = None;
        for value in values {
            if last != Some(*value) && !found.contains(value) {
                found.push(*value);
                if found.len() > FEW_VALUES {
                    return found.len();
                }
            }
            last = Some(*value);
        }
    }
    found.len()
}

fn distinct(values: &[f64]) -> usize {
    values.windows(2).filter(|w| w.first() != w.last()).count() + usize::from(!values.is_empty())
}

/// The method's score; none where it is not defined on these values.
#[must_use]
pub fn score(method: Method, reference: &Field, current: &Field) -> Option<f64> {
    if reference.count() == 0 || current.count() == 0 {
        return None;
    }
    let found = match (reference, current) {
        (Field::Numbers(a), Field::Numbers(b)) => of_numbers(method, a, b),
        (Field::Categories(a), Field::Categories(b)) => of_categories(method, a, b),
        (Field::Numbers(_), Field::Categories(_)) | (Field::Categories(_), Field::Numbers(_)) => None,
    };
    found.filter(|s| !s.is_nan())
}

fn chance(tested: Option<Tested>) -> Option<f64> {
    tested.map(|t| t.p_value)
}

fn of_numbers(method: Method, reference: &Numbers, current: &Numbers) -> Option<f64> {
    let (a, b) = (reference.values.as_slice(), current.values.as_slice());
    match method {
        Method::KolmogorovSmirnov => distance::ks(a, b).map(|k| k.p_value),
        Method::Wasserstein => {
            let (_, squares) = means::moments(a);
            let deviation = libm::sqrt(squares / a.len().max(1) as f64);
            distance::wasserstein(a, b).map(|d| d / deviation.max(DEVIATION_MIN))
        }
        Method::Energy => ranks::energy_distance(a, b),
        Method::AndersonDarling => chance(ranks::anderson_darling(a, b)),
        Method::CramerVonMises => chance(cramer::cramer_von_mises(a, b)),
        Method::EppsSingleton => chance(epps::epps_singleton(a, b)),
        Method::MannWhitney => chance(ranks::mann_whitney(a, b, Alternative::Less)),
        Method::Student => chance(means::t_test(a, b)),
        Method::Hellinger => {
            // Bins are placed by the different values, not by all.
            let values: Vec<f64> = ties(a, b).iter().map(|t| t.value).collect();
            let edges = bins::sturges_edges(&values, &[], reference.whole && current.whole)?;
            divergence::hellinger_binned(&bins::counts(a, &edges), &bins::counts(b, &edges), &edges)
        }
        Method::JensenShannon | Method::StabilityIndex | Method::KullbackLeibler => {
            let (p, q) = histograms(reference, current)?;
            on_counts(method, &p, &q)
        }
        Method::ChiSquare | Method::Proportions | Method::GTest | Method::FisherExact | Method::TotalVariation | Method::LInfinity => {
            let (p, q) = by_value(a, b);
            on_counts(method, &p, &q)
        }
    }
}

fn by_value(a: &[f64], b: &[f64]) -> (Vec<u64>, Vec<u64>) {
    ties(a, b).into_iter().map(|Tie { counts: (x, y), .. }| (x as u64, y as u64)).unzip()
}

fn histograms(reference: &Numbers, current: &Numbers) -> Option<(Vec<u64>, Vec<u64>)> {
    let (a, b) = (reference.values.as_slice(), current.values.as_slice());
    if distinct(a) <= BINNED_ABOVE {
        return Some(by_value(a, b));
    }
    let edges = if reference.error + current.error > 0.0 {
        // A sample stands for more values than it holds.
        let low = a.first().copied().unwrap_or(f64::NAN).min(b.first().copied()?);
        let high = a.last().copied().unwrap_or(f64::NAN).max(b.last().copied()?);
        bins::edges_between(low, high, (reference.count + current.count) as f64, reference.whole && current.whole)?
    } else {
        bins::sturges_edges(a, b, reference.whole && current.whole)?
    };
    Some((bins::counts(a, &edges), bins::counts(b, &edges)))
}

fn of_categories(method: Method, reference: &Categories, current: &Categories) -> Option<f64> {
    let (p, q) = reference.beside(current);
    on_counts(method, &p, &q)
}

fn on_counts(method: Method, p: &[u64], q: &[u64]) -> Option<f64> {
    match method {
        Method::ChiSquare => chance(categories::chi_square(p, q)),
        Method::Proportions => chance(categories::z_test(p, q)),
        Method::GTest => chance(categories::g_test(p, q)),
        Method::FisherExact => fisher(p, q),
        Method::JensenShannon => divergence::jensen_shannon(p, q),
        Method::StabilityIndex => divergence::stability_index(p, q),
        Method::KullbackLeibler => divergence::kullback_leibler(p, q),
        Method::Hellinger => divergence::hellinger(p, q),
        Method::TotalVariation => divergence::total_variation(p, q),
        Method::LInfinity => divergence::l_infinity(p, q),
        Method::KolmogorovSmirnov
        | Method::Wasserstein
        | Method::Energy
        | Method::AndersonDarling
        | Method::CramerVonMises
        | Method::EppsSingleton
        | Method::MannWhitney
        | Method::Student => None,
    }
}

/// Only two categories can be put to Fisher's test; of one alone nothing differs.
fn fisher(p: &[u64], q: &[u64]) -> Option<f64> {
    match (p, q) {
        ([_], [_]) => Some(1.0),
        ([a, b], [c, d]) => chance(categories::fisher_exact((*c, *d), (*a, *b))),
        _ => None,
    }
}
