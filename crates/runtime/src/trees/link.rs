//! From the sum of a model's trees to its prediction, as each library computes it: the same operations, in the same order and width.

/// What is done with the sums of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Link {
    /// Nothing.
    Identity,
    /// In FP32: `1 / (1 + exp(-x))`.
    Sigmoid32,
    /// In FP32: `exp(x)`.
    Exp32,
    /// 1 above 0, else 0.
    Step,
    /// In FP32: shares of a whole.
    Softmax32,
    /// The place of the largest.
    Largest,
    /// `1 / (1 + exp(-slope x))` each.
    Sigmoid(f64),
    /// `exp(x)`, in FP64 also where sums are not.
    Exp,
    /// Shares of a whole.
    Softmax,
    /// The square, with the sign of `x`.
    Square,
    /// `ln(1 + exp(x))`.
    Softplus,
}

/// Largest exponent that XGBoost gives to `exp` in a sigmoid.
const EXPONENT_MAX: f32 = 88.7;

impl Link {
    /// How many values of `outputs` sums there are.
    pub(super) fn width(self, outputs: usize) -> usize {
        if self == Link::Largest { 1 } else { outputs }
    }

    /// Turns the sums of one row into its predictions; of a largest one, into its first value.
    #[expect(clippy::cast_possible_truncation, reason = "sums of the links of 32 bits are numbers of 32 bits")]
    pub(super) fn apply(self, sums: &mut [f64]) {
        let single = |sums: &mut [f64], of: fn(f32) -> f32| sums.iter_mut().for_each(|x| *x = f64::from(of(*x as f32)));
        let double = |sums: &mut [f64], of: &dyn Fn(f64) -> f64| sums.iter_mut().for_each(|x| *x = of(*x));
        match self {
            Link::Identity => {}
            Link::Sigmoid32 => single(sums, |x| 1.0 / ((-x).min(EXPONENT_MAX).exp() + 1.0 + 1e-16)),
            Link::Exp32 => single(sums, f32::exp),
            Link::Step => single(sums, |x| if x > 0.0 { 1.0 } else { 0.0 }),
            Link::Softmax32 => {
                let largest = sums.iter().fold(f32::MIN, |largest, x| largest.max(*x as f32));
                single_softmax(sums, largest);
            }
            Link::Largest => {
                let largest =
                    sums.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (at, x)| if *x > best.1 { (at, *x) } else { best });
                if let Some(first) = sums.first_mut() {
                    *first = f64::from(u32::try_from(largest.0).unwrap_or(u32::MAX));
                }
            }
            Link::Sigmoid(slope) => double(sums, &|x| 1.0 / (1.0 + (-slope * x).exp())),
            Link::Exp => double(sums, &f64::exp),
            Link::Softmax => {
                let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                double(sums, &|x| (x - largest).exp());
                let whole = sums.iter().fold(0.0, |whole, x| whole + x);
                double(sums, &|x| x / whole);
            }
            Link::Square => double(sums, &|x| x.signum() * x * x),
            Link::Softplus => double(sums, &|x| x.exp().ln_1p()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the sums are numbers of 32 bits")]
fn single_softmax(sums: &mut [f64], largest: f32) {
    let mut whole = 0.0_f64;
    for x in sums.iter_mut() {
        *x = f64::from((*x as f32 - largest).exp());
        whole += *x;
    }
    for x in sums.iter_mut() {
        *x = f64::from(*x as f32 / whole as f32);
    }
}
