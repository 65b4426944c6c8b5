//! Shapley values by sampling (Strumbelj and Kononenko, 2014): in a random order of the features, each is changed from a value of the
//! background to the row's, and what that changes in the answer is its share. The order and its reverse are taken together, which makes
//! the values settle sooner (Mitchell, Cooper, Frank and Holmes, 2022). The shares of one order sum to the difference of both answers.
//!
//! The background is the version's golden requests: what is typical, as its authors see it. A feature is a field of a record, so that it
//! stays whole whatever the transform makes of it; without a transform it is a column of an input.

use super::{EXPLAINED_OUTPUTS_MAX, Explanation, Method, bounded, column_name, late};
use crate::version::SCORE;
use crate::{InferError, InferRequest, InputFault, Tensor, Version};
use tidegate_core::model::TensorSpec;
use tidegate_stats::rng::{Rng, mix};

/// Golden rows that a row is compared with.
const BACKGROUND_ROWS_MAX: usize = 64;
/// Pairs of orders of one row: then its values are as good as they get.
const ROUNDS_MAX: u32 = 512;
/// Seed of the orders: the same request is explained by the same ones.
const SEED: u64 = 0x7469_6465_6761_7465;

/// A feature: a column of one of the inputs.
#[derive(Clone, Copy)]
struct Feature {
    input: usize,
    column: usize,
}

/// Sums of one row over rounds: mean and spread of what each feature adds.
#[derive(Clone, Default)]
struct Sums {
    rounds: u32,
    mean: Vec<f64>,
    square: Vec<f64>,
    expected: Vec<f64>,
}

impl Sums {
    /// Adds one round's values (Welford's update).
    fn add(&mut self, values: &[f64], expected: &[f64]) {
        self.rounds += 1;
        let n = f64::from(self.rounds);
        self.mean.resize(values.len(), 0.0);
        self.square.resize(values.len(), 0.0);
        self.expected.resize(expected.len(), 0.0);
        for ((mean, square), value) in self.mean.iter_mut().zip(&mut self.square).zip(values) {
            let before = value - *mean;
            *mean += before / n;
            *square += before * (value - *mean);
        }
        for (mean, value) in self.expected.iter_mut().zip(expected) {
            *mean += (value - *mean) / n;
        }
    }

    fn errors(&self) -> impl Iterator<Item = f64> {
        let n = f64::from(self.rounds);
        let one = self.rounds < 2;
        self.square.iter().map(move |square| if one { f64::NAN } else { (square / (n - 1.0) / n).sqrt() })
    }
}

/// What a request's rows are explained with.
struct Ground {
    /// The request's inputs, each with the background's rows below its own.
    inputs: Vec<Tensor>,
    rows: usize,
    background: usize,
    features: Vec<Feature>,
    output: String,
}

impl Version {
    pub(super) fn sample(&self, request: &InferRequest, more: &mut dyn FnMut() -> bool) -> Result<Explanation, InferError> {
        let ground = self.ground(request)?;
        bounded(ground.rows, ground.features.len())?;
        let mut sums = vec![Sums::default(); ground.rows];
        'rounds: for round in 0..ROUNDS_MAX {
            for (row, sums) in sums.iter_mut().enumerate() {
                if (round, row) != (0, 0) && !more() {
                    if round == 0 {
                        return Err(late(row, ground.rows).into());
                    }
                    break 'rounds;
                }
                let (values, expected) = self.round(&ground, row, round)?;
                sums.add(&values, &expected);
            }
        }
        let outputs = sums.first().map_or(0, |sums| sums.expected.len());
        Ok(Explanation {
            method: Method::Sampled,
            features: ground.features.iter().map(|feature| self.name_of(*feature)).collect(),
            outputs,
            values: sums.iter().flat_map(|sums| sums.mean.iter().copied()).collect(),
            expected: sums.iter().flat_map(|sums| sums.expected.iter().copied()).collect(),
            errors: sums.iter().flat_map(Sums::errors).collect(),
        })
    }

    fn name_of(&self, feature: Feature) -> String {
        let name = self.inputs.get(feature.input).map_or("", |spec| spec.name.as_str());
        if self.transform.is_some() { name.to_owned() } else { column_name(name, feature.column) }
    }

    /// The answer that is explained: the score, or else the first one that is numbers.
    fn explained_output(&self) -> Result<String, InputFault> {
        let numbers = |spec: &&TensorSpec| spec.datatype != tidegate_core::model::Datatype::Bytes;
        let score = self.outputs.iter().find(|spec| spec.name == SCORE);
        let output = score.or_else(|| self.outputs.iter().find(numbers));
        output.map(|spec| spec.name.clone()).ok_or_else(|| InputFault::Explain("no output of the model holds numbers".to_owned()))
    }

    fn ground(&self, request: &InferRequest) -> Result<Ground, InferError> {
        let output = self.explained_output()?;
        // The version itself says what is wrong with a request.
        self.infer(&InferRequest { outputs: vec![output.clone()], ..request.clone() })?;
        let golden = self.golden().map(|golden| golden.requests.as_slice()).unwrap_or_default();
        let mut inputs = Vec::with_capacity(self.inputs.len());
        let (rows, mut background) = (request.inputs.first().and_then(Tensor::rows), None);
        for spec in &self.inputs {
            let given = request.inputs.iter().find(|tensor| tensor.name == spec.name);
            let mut typical: Option<Tensor> = None;
            for one in golden {
                let asked = self.golden_request(one)?;
                let there = asked.inputs.iter().find(|tensor| tensor.name == spec.name);
                // A field that one golden record lacks is missing there, and not left out: every field has as many rows.
                let row = there.map(flat).or_else(|| golden_field(self, golden, spec)?.absent_rows(asked.inputs.first()?.rows()?));
                let Some(row) = row else { continue };
                match &mut typical {
                    None => typical = Some(row),
                    Some(all) if all.rows() >= Some(BACKGROUND_ROWS_MAX) => break,
                    Some(all) => {
                        if !all.append_rows(&row) {
                            return Err(InputFault::Explain(format!("golden requests differ in the shape of `{}`", spec.name)).into());
                        }
                    }
                }
            }
            let (Some(typical), Some(mut own)) = (typical.clone(), given.map(flat).or_else(|| typical?.absent_rows(rows?))) else {
                // A field that neither side has is missing in all of them.
                continue;
            };
            let typical = typical.take_rows(0..BACKGROUND_ROWS_MAX);
            background = background.or(typical.rows());
            if own.rows() != rows || typical.rows() != background || !own.append_rows(&typical) {
                return Err(InputFault::Explain(format!("`{}` has other rows than the golden requests", spec.name)).into());
            }
            inputs.push(own);
        }
        let (Some(rows), Some(background)) = (rows, background.filter(|n| *n > 0)) else {
            return Err(InputFault::Explain("the version has no golden requests to compare with".to_owned()).into());
        };
        Ok(Ground { features: self.features_of(&inputs), inputs, rows, background, output })
    }

    fn features_of(&self, inputs: &[Tensor]) -> Vec<Feature> {
        let mut features = Vec::new();
        for tensor in inputs {
            let input = self.inputs.iter().position(|spec| spec.name == tensor.name).unwrap_or_default();
            features.extend((0..tensor.row_width().unwrap_or(0)).map(|column| Feature { input, column }));
        }
        features
    }

    /// One order of the features and its reverse: what each feature adds, output after output, and the background's answers.
    fn round(&self, ground: &Ground, row: usize, round: u32) -> Result<(Vec<f64>, Vec<f64>), InferError> {
        let count = ground.features.len();
        let mut rng = Rng::new(mix(SEED ^ u64::from(round)) ^ row as u64);
        let against = ground.rows + (round as usize + row) % ground.background;
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, usize::try_from(rng.below(at as u64 + 1)).unwrap_or(at));
        }
        // When each feature comes in the order; row `step` of an ascent has those from before `step`.
        let mut turn = vec![0; count];
        order.iter().enumerate().for_each(|(at, feature)| turn.get_mut(*feature).into_iter().for_each(|t| *t = at));
        let steps = count + 1;
        let own = |at: usize, feature: usize| {
            let turn = turn.get(feature).copied().unwrap_or_default();
            if at < steps { turn < at } else { count - 1 - turn < at - steps }
        };
        let mut first = 0;
        let mut mixed = Vec::with_capacity(ground.inputs.len());
        for tensor in &ground.inputs {
            let width = tensor.row_width().unwrap_or(0);
            let places = (0..2 * steps).flat_map(|at| (0..width).map(move |column| (at, column)));
            let places = places.map(|(at, column)| (if own(at, first + column) { row } else { against }) * width + column);
            mixed.push(tensor.gather(2 * steps, places));
            first += width;
        }
        let asked = InferRequest { inputs: mixed, outputs: vec![ground.output.clone()], ..InferRequest::default() };
        let answered = self.infer(&asked)?;
        let answer = answered.output(&ground.output).filter(|t| t.rows() == Some(2 * steps) && !t.data.is_empty());
        let Some(answer) = answer else {
            return Err(InputFault::Explain(format!("output `{}` has not one row for each of the inputs", ground.output)).into());
        };
        let outputs = answer.data.len() / (2 * steps);
        if outputs > EXPLAINED_OUTPUTS_MAX {
            return Err(InputFault::Explain(format!(
                "`{}` has {outputs} numbers a row, at most {EXPLAINED_OUTPUTS_MAX} are explained",
                ground.output
            ))
            .into());
        }
        let said = |at: usize, output: usize| answer.data.number(at * outputs + output).unwrap_or(f64::NAN);
        let mut values = Vec::with_capacity(outputs * count);
        for output in 0..outputs {
            values.extend(turn.iter().map(|turn| {
                let up = said(turn + 1, output) - said(*turn, output);
                let back = count - 1 - turn;
                let down = said(steps + back + 1, output) - said(steps + back, output);
                f64::midpoint(up, down)
            }));
        }
        Ok((values, (0..outputs).map(|output| said(0, output)).collect()))
    }
}

/// One dimension where a field has one value a record, however it was written.
fn flat(tensor: &Tensor) -> Tensor {
    match tensor.shape.as_slice() {
        [rows, 1] => Tensor { shape: vec![*rows], ..tensor.clone() },
        _ => tensor.clone(),
    }
}

/// The field of any golden request that has it.
fn golden_field(version: &Version, golden: &[crate::GoldenRequest], spec: &TensorSpec) -> Option<Tensor> {
    golden.iter().find_map(|one| version.golden_request(one).ok()?.inputs.into_iter().find(|t| t.name == spec.name)).map(|t| flat(&t))
}
