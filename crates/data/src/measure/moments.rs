//! Count, sum, mean, spread and extremes of a column, exact for whole numbers and stable for others.

use super::column::{Canonical, Values};
use crate::text;
use datafusion::arrow::array::Array;
use tidegate_core::contract::{Statistic, Value};

/// A running description of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    pub count: u64,
    mean: f64,
    m2: f64,
    /// Of whole numbers.
    whole: i128,
    /// Of others, with the part that rounding lost.
    sum: (f64, f64),
    number: Option<(f64, f64)>,
    int: Option<(i64, i64)>,
    instant: Option<(i64, i64, bool)>,
    text: Option<(String, String)>,
}

impl Moments {
    pub fn take(&mut self, column: &Canonical) {
        match &column.values {
            Values::Int(a) => self.ints(a.values(), column),
            Values::Float(a) => self.floats(&present(a.values(), column)),
            Values::Bool(a) => {
                let ones: Vec<i64> = a.values().iter().map(i64::from).collect();
                self.ints(&ones, column);
            }
            Values::Instant(a, date) => {
                for v in present(a.values(), column).iter() {
                    self.count += 1;
                    self.instant = Some(self.instant.map_or((*v, *v, *date), |(lo, hi, _)| (lo.min(*v), hi.max(*v), *date)));
                }
            }
            Values::Text(a) => {
                for row in (0..a.len()).filter(|r| !column.is_null(*r)) {
                    self.text_value(a.value(row));
                }
            }
            Values::Other => self.count += (column.len - column.missing()) as u64,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the spread of whole numbers beyond 2^53 is a float anyway")]
    fn ints(&mut self, values: &[i64], column: &Canonical) {
        let values = present(values, column);
        let (Some(lo), Some(hi)) = (values.iter().min(), values.iter().max()) else { return };
        self.int = Some(self.int.map_or((*lo, *hi), |(a, b)| (a.min(*lo), b.max(*hi))));
        let sum: i128 = values.iter().map(|v| i128::from(*v)).sum();
        self.whole += sum;
        let mean = sum as f64 / values.len() as f64;
        let m2 = spread(values.iter().map(|v| *v as f64), mean);
        self.moments(values.len() as u64, mean, m2);
    }

    #[expect(clippy::cast_precision_loss, reason = "rows of a batch")]
    fn floats(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let (mut lo, mut hi, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for v in values {
            lo = lo.min(*v);
            hi = hi.max(*v);
            sum += v;
        }
        self.number = Some(self.number.map_or((lo, hi), |(a, b)| (a.min(lo), b.max(hi))));
        self.add(sum);
        let mean = sum / values.len() as f64;
        let m2 = spread(values.iter().copied(), mean);
        self.moments(values.len() as u64, mean, m2);
    }

    /// Adds a batch's sum, keeping what rounding loses (Neumaier).
    fn add(&mut self, x: f64) {
        let (sum, lost) = self.sum;
        let total = sum + x;
        let rest = if sum.abs() >= x.abs() { (sum - total) + x } else { (x - total) + sum };
        self.sum = (total, lost + if rest.is_finite() { rest } else { 0.0 });
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    fn moments(&mut self, count: u64, mean: f64, m2: f64) {
        let (n, m) = (self.count as f64, count as f64);
        let delta = mean - self.mean;
        self.count += count;
        if self.count == count {
            (self.mean, self.m2) = (mean, m2);
        } else {
            self.mean += delta * m / (n + m);
            self.m2 += m2 + delta * delta * n * m / (n + m);
        }
    }

    fn text_value(&mut self, value: &str) {
        self.count += 1;
        match &mut self.text {
            None => self.text = Some((value.to_owned(), value.to_owned())),
            Some((lo, hi)) => {
                if value < lo.as_str() {
                    value.clone_into(lo);
                } else if value > hi.as_str() {
                    value.clone_into(hi);
                }
            }
        }
    }

    pub fn join(&mut self, next: Moments) {
        if next.count == 0 {
            return;
        }
        let before = self.count;
        self.moments(next.count, next.mean, next.m2);
        self.whole += next.whole;
        self.add(next.sum.0);
        self.sum.1 += next.sum.1;
        if let Some((lo, hi)) = next.number {
            self.number = Some(self.number.map_or((lo, hi), |(a, b)| (a.min(lo), b.max(hi))));
        }
        if let Some((lo, hi)) = next.int {
            self.int = Some(self.int.map_or((lo, hi), |(a, b)| (a.min(lo), b.max(hi))));
        }
        if let Some((lo, hi, date)) = next.instant {
            self.instant = Some(self.instant.map_or((lo, hi, date), |(a, b, _)| (a.min(lo), b.max(hi), date)));
        }
        if let Some((lo, hi)) = next.text {
            self.text_value(&lo);
            self.text_value(&hi);
            self.count = before + next.count;
        }
    }

    /// Mean and sample deviation as they are, infinities and undefined ones among them.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn mean_and_deviation(&self) -> (f64, f64) {
        let count = self.count as f64;
        let mean = if self.int.is_some() { self.whole as f64 / count } else { (self.sum.0 + self.sum.1) / count };
        (mean, if self.count < 2 { f64::NAN } else { (self.m2 / (count - 1.0)).sqrt() })
    }

    /// The newest instant in microseconds.
    pub fn newest(&self) -> Option<i64> {
        self.instant.map(|(_, hi, _)| hi)
    }

    /// The aggregate; none over no values, or when it is not defined on so few.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn value(&self, statistic: Statistic) -> Option<Value> {
        if self.count == 0 {
            // As pandas has it: the sum of nothing is 0, everything else of nothing is not defined.
            return (statistic == Statistic::Sum).then_some(Value::Int(0));
        }
        let count = self.count as f64;
        let float = |x: f64| (!x.is_nan()).then(|| if x.is_finite() { Value::Float(x) } else { Value::Float(x.signum() * f64::MAX) });
        match statistic {
            Statistic::Mean if self.int.is_some() => float(self.whole as f64 / count),
            Statistic::Mean => float((self.sum.0 + self.sum.1) / count),
            Statistic::Sum if self.int.is_some() => Some(i64::try_from(self.whole).map_or(Value::Float(self.whole as f64), Value::Int)),
            Statistic::Sum => float(self.sum.0 + self.sum.1),
            Statistic::Stdev if self.count < 2 => None,
            Statistic::Stdev => float((self.m2 / (count - 1.0)).sqrt()),
            Statistic::Min => self.extreme(false),
            Statistic::Max => self.extreme(true),
            Statistic::Median | Statistic::UniqueValueCount | Statistic::UniqueValueProportion | Statistic::NonNullProportion => None,
        }
    }

    fn extreme(&self, largest: bool) -> Option<Value> {
        let pick = |lo: i64, hi: i64| if largest { hi } else { lo };
        if let Some((lo, hi)) = self.int {
            return Some(Value::Int(pick(lo, hi)));
        }
        if let Some((lo, hi)) = self.number {
            return Some(Value::Float(if largest { hi } else { lo }));
        }
        if let Some((lo, hi, date)) = self.instant {
            return Some(Value::Text(text::instant(pick(lo, hi), date)));
        }
        self.text.as_ref().map(|(lo, hi)| Value::Text(if largest { hi } else { lo }.clone()))
    }
}

fn spread(values: impl Iterator<Item = f64>, mean: f64) -> f64 {
    values.map(|v| (v - mean) * (v - mean)).sum()
}

/// The values that are not null: all of them at once where none is.
fn present<'a, T: Copy>(values: &'a [T], column: &Canonical) -> std::borrow::Cow<'a, [T]> {
    match &column.nulls {
        None => values.into(),
        Some(nulls) => nulls.valid_indices().filter_map(|i| values.get(i).copied()).collect::<Vec<T>>().into(),
    }
}

/// The values of a column of numbers that are not null, as floats.
#[expect(clippy::cast_precision_loss, reason = "quantiles of whole numbers beyond 2^53 are floats anyway")]
pub(super) fn numbers(column: &Canonical) -> Vec<f64> {
    match &column.values {
        Values::Float(a) => present(a.values(), column).into_owned(),
        Values::Int(a) => present(a.values(), column).iter().map(|v| *v as f64).collect(),
        Values::Bool(a) => (0..a.len()).filter(|r| !column.is_null(*r)).map(|r| f64::from(u8::from(a.value(r)))).collect(),
        Values::Instant(..) | Values::Text(_) | Values::Other => vec![],
    }
}
