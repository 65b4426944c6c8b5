//! The tests and distances by which a column's drift is told, under the names and with the bars of Evidently 0.7.
//!
//! Not here: how they are computed (`tidegate_stats::compare`).

use serde::{Deserialize, Serialize};

/// A test or a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// Kolmogorov-Smirnov, by p-value.
    #[serde(rename = "ks")]
    KolmogorovSmirnov,
    /// Wasserstein's first distance in standard deviations of the reference.
    #[serde(rename = "wasserstein")]
    Wasserstein,
    /// Pearson's chi-square, by p-value.
    #[serde(rename = "chisquare")]
    ChiSquare,
    /// Difference of two proportions, by p-value.
    #[serde(rename = "z")]
    Proportions,
    /// Jensen-Shannon distance in nats.
    #[serde(rename = "jensenshannon")]
    JensenShannon,
    /// Population stability index.
    #[serde(rename = "psi")]
    StabilityIndex,
    /// Kullback-Leibler divergence.
    #[serde(rename = "kl_div")]
    KullbackLeibler,
    /// Hellinger distance.
    #[serde(rename = "hellinger")]
    Hellinger,
    /// Total variation distance; Evidently judges it by a permutation's p-value, here it is judged as a distance.
    #[serde(rename = "TVD")]
    TotalVariation,
    /// Energy distance.
    #[serde(rename = "ed")]
    Energy,
    /// Anderson-Darling, by p-value.
    #[serde(rename = "anderson")]
    AndersonDarling,
    /// Cramér-von Mises, by p-value.
    #[serde(rename = "cramer_von_mises")]
    CramerVonMises,
    /// G-test, by p-value.
    #[serde(rename = "g_test")]
    GTest,
    /// Fisher's exact test, by p-value.
    #[serde(rename = "fisher_exact")]
    FisherExact,
    /// Epps-Singleton, by p-value.
    #[serde(rename = "es")]
    EppsSingleton,
    /// Mann-Whitney: whether the reference lies below, by p-value.
    #[serde(rename = "mannw")]
    MannWhitney,
    /// Student's t, by p-value.
    #[serde(rename = "t_test")]
    Student,
    /// Largest difference of two shares (NannyML's `l_infinity`).
    #[serde(rename = "l_infinity")]
    LInfinity,
}

/// What a method is.
struct Row {
    method: Method,
    name: &'static str,
    label: &'static str,
    numbers: bool,
    categories: bool,
    p_value: bool,
    threshold: f64,
}

const fn row(method: Method, name: &'static str, label: &'static str, of: (bool, bool), p_value: bool, threshold: f64) -> Row {
    Row { method, name, label, numbers: of.0, categories: of.1, p_value, threshold }
}

const NUMBERS: (bool, bool) = (true, false);
const CATEGORIES: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

const ROWS: [Row; 18] = [
    row(Method::KolmogorovSmirnov, "ks", "K-S p_value", NUMBERS, true, 0.05),
    row(Method::Wasserstein, "wasserstein", "Wasserstein distance (normed)", NUMBERS, false, 0.1),
    row(Method::ChiSquare, "chisquare", "chi-square p_value", CATEGORIES, true, 0.05),
    row(Method::Proportions, "z", "Z-test p_value", CATEGORIES, true, 0.05),
    row(Method::JensenShannon, "jensenshannon", "Jensen-Shannon distance", BOTH, false, 0.1),
    row(Method::StabilityIndex, "psi", "PSI", BOTH, false, 0.1),
    row(Method::KullbackLeibler, "kl_div", "Kullback-Leibler divergence", BOTH, false, 0.1),
    row(Method::Hellinger, "hellinger", "Hellinger distance", BOTH, false, 0.1),
    row(Method::TotalVariation, "TVD", "Total-Variation-Distance", CATEGORIES, false, 0.1),
    row(Method::Energy, "ed", "Energy-distance", NUMBERS, false, 0.1),
    row(Method::AndersonDarling, "anderson", "Anderson-Darling", NUMBERS, true, 0.1),
    row(Method::CramerVonMises, "cramer_von_mises", "Cramer-von Mises", NUMBERS, true, 0.1),
    row(Method::GTest, "g_test", "g_test", CATEGORIES, true, 0.1),
    row(Method::FisherExact, "fisher_exact", "Fisher's Exact test", CATEGORIES, true, 0.1),
    row(Method::EppsSingleton, "es", "Epps-Singleton", NUMBERS, true, 0.05),
    row(Method::MannWhitney, "mannw", "Mann-Whitney U-rank test", NUMBERS, true, 0.05),
    row(Method::Student, "t_test", "t_test", NUMBERS, true, 0.05),
    row(Method::LInfinity, "l_infinity", "L-infinity distance", CATEGORIES, false, 0.1),
];

impl Method {
    fn row(self) -> &'static Row {
        let mut found = &ROWS[0];
        for row in &ROWS {
            if row.method == self {
                found = row;
            }
        }
        found
    }

    /// Every method, in the order of listings.
    pub fn all() -> impl Iterator<Item = Method> {
        ROWS.iter().map(|r| r.method)
    }

    /// Its short name, as in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// By its short name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Method> {
        ROWS.iter().find(|r| r.name == name).map(|r| r.method)
    }

    /// Its name in reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.row().label
    }

    /// Whether its score is a chance, so that less is more drift.
    #[must_use]
    pub fn is_p_value(self) -> bool {
        self.row().p_value
    }

    /// The bar where none is set.
    #[must_use]
    pub fn threshold(self) -> f64 {
        self.row().threshold
    }

    /// Whether it can judge numbers.
    #[must_use]
    pub fn suits_numbers(self) -> bool {
        self.row().numbers
    }

    /// Whether it can judge categories.
    #[must_use]
    pub fn suits_categories(self) -> bool {
        self.row().categories
    }

    /// Whether a score is drift. At the bar: chances of two tests count, as do all distances but the energy distance.
    #[must_use]
    pub fn drifted(self, score: f64, threshold: f64) -> bool {
        match self {
            Method::KolmogorovSmirnov | Method::CramerVonMises => score <= threshold,
            Method::Energy => score > threshold,
            _ if self.is_p_value() => score < threshold,
            _ => score >= threshold,
        }
    }
}
