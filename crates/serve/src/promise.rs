//! What answers of a service are promised to be: outputs with their datatype, shape and range. An answer that breaks it is a failure of the
//! version and is not given out.

use crate::frame::{Answer, Body, Form, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_core::model::Datatype;
use tidegate_runtime::{Tensor, TensorData};

/// The member of a request that says which outputs are wanted.
const OUTPUTS: &[u8] = b"\"outputs\"";

/// Promised outputs by name. Others may be there too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Promise(pub BTreeMap<String, Promised>);

/// What one output is; what is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Promised {
    /// Its element type.
    pub datatype: Option<Datatype>,
    /// Its dimensions; -1 is one of any length.
    pub shape: Option<Vec<i64>>,
    /// Its least value.
    pub min: Option<Bound>,
    /// Its largest value.
    pub max: Option<Bound>,
    /// Whether each value is a number, none of them infinite.
    pub finite: bool,
}

/// An end of a range, which is a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bound(pub f64);

/// Configurations hold no not-a-numbers.
impl Eq for Bound {}

impl Promise {
    /// Whether nothing is promised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What of it these outputs break; `whole` when all were asked for.
    pub fn broken(&self, outputs: &[Tensor], whole: bool) -> Option<String> {
        self.0.iter().find_map(|(name, promised)| {
            let why = match outputs.iter().find(|output| output.name == *name) {
                None if whole => "it is not there".to_owned(),
                None => return None,
                Some(output) => promised.broken(output)?,
            };
            Some(format!("the answer is not given out: output `{name}` breaks what `serving.outputs` of this service promises: {why}"))
        })
    }

    /// An upstream's answer, or that it breaks the promise.
    pub fn kept(&self, asked: &Body, answer: Answer) -> Answer {
        if self.is_empty() || answer.outcome != Outcome::Answered {
            return answer;
        }
        let whole = asked.form != Form::Grpc && memchr::memmem::find(&asked.bytes, OUTPUTS).is_none();
        let why = match tidegate_runtime::oip::read_infer_response(answer.body.over_http()) {
            Ok((_, response)) => self.broken(&response.outputs, whole),
            Err(error) => Some(format!("the answer is not given out: it cannot be read, and outputs are promised: {}", error.message)),
        };
        match why {
            None => answer,
            Some(why) => Answer { record_id: answer.record_id, ..Answer::error(Outcome::Failed, &why) },
        }
    }
}

impl Promised {
    fn broken(&self, output: &Tensor) -> Option<String> {
        if let Some(wanted) = self.datatype.filter(|wanted| *wanted != output.datatype()) {
            return Some(format!("it is {}, promised is {wanted}", output.datatype()));
        }
        let fits =
            |shape: &Vec<i64>| shape.len() == output.shape.len() && shape.iter().zip(&output.shape).all(|(of, n)| *of < 0 || of == n);
        if let Some(shape) = self.shape.as_ref().filter(|shape| !fits(shape)) {
            return Some(format!("its shape is {:?}, promised is {shape:?}", output.shape));
        }
        if matches!(output.data, TensorData::Bytes(_)) || (!self.finite && self.min.is_none() && self.max.is_none()) {
            return None;
        }
        (0..output.data.len()).find_map(|at| {
            let value = output.data.number(at).filter(|_| !output.is_missing(at)).unwrap_or(f64::NAN);
            // A not-a-number is in no range.
            let ranged = self.min.is_some() || self.max.is_some();
            let beyond = self.min.is_some_and(|min| value < min.0) || self.max.is_some_and(|max| value > max.0);
            let outside = beyond || (ranged && value.is_nan());
            let said = if value.is_nan() { "not a number".to_owned() } else { value.to_string() };
            let range = |bound: Option<Bound>, none: &str| bound.map_or_else(|| none.to_owned(), |bound| bound.0.to_string());
            match () {
                () if self.finite && !value.is_finite() => Some(format!("value {at} is {said}, promised are finite numbers")),
                () if outside => {
                    Some(format!("value {at} is {said}, promised are {} to {}", range(self.min, "any"), range(self.max, "any")))
                }
                () => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise() -> Promise {
        let probability = Promised {
            datatype: Some(Datatype::Fp64),
            shape: Some(vec![-1, 2]),
            min: Some(Bound(0.0)),
            max: Some(Bound(1.0)),
            finite: true,
        };
        Promise(BTreeMap::from([("p".to_owned(), probability)]))
    }

    fn says(shape: &[i64], values: TensorData) -> String {
        let why = promise().broken(&[Tensor::new("p", shape.to_vec(), values)], true).unwrap_or_default();
        why.rsplit_once("promises: ").map_or(why.clone(), |(_, why)| why.to_owned())
    }

    #[test]
    fn what_breaks_it_is_told() {
        let of = |values: &[f64]| TensorData::Fp64(values.to_vec());
        assert_eq!(says(&[1, 2], of(&[0.0, 1.0])), "");
        assert_eq!(says(&[0, 2], of(&[])), "");
        assert_eq!(says(&[2], of(&[0.0, 1.0])), "its shape is [2], promised is [-1, 2]");
        assert_eq!(says(&[1, 2], of(&[0.5, 1.5])), "value 1 is 1.5, promised are 0 to 1");
        assert_eq!(says(&[1, 2], of(&[f64::NAN, 0.5])), "value 0 is not a number, promised are finite numbers");
        assert_eq!(says(&[1, 2], TensorData::Fp32(vec![0.0, 1.0])), "it is FP32, promised is FP64");
        assert_eq!(promise().broken(&[], false), None, "who did not ask for it need not get it");
        assert!(promise().broken(&[], true).unwrap().ends_with("it is not there"));
    }

    #[test]
    fn an_upstream_s_answer_that_breaks_it_is_a_failure() {
        let asked = Body::json(br#"{"inputs": []}"#.to_vec());
        let answered = |body: &str| promise().kept(&asked, Answer { body: Body::json(body.as_bytes().to_vec()), ..Answer::empty() });
        let body = |value: &str| format!(r#"{{"outputs":[{{"name":"p","datatype":"FP64","shape":[1,2],"data":[0.5,{value}]}}]}}"#);
        assert_eq!(answered(&body("1")).outcome, Outcome::Answered);
        assert_eq!(answered(&body("2")).outcome, Outcome::Failed);
        assert_eq!(answered(&body("null")).outcome, Outcome::Failed);
        assert!(answered("nothing").told().contains("it cannot be read"));
        assert_eq!(Promise::default().kept(&asked, Answer::empty()).outcome, Outcome::Answered);
    }
}
