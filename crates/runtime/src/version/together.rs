//! Several requests answered by one call of the model, each as if it had been asked alone.

use super::observe::narrow;
use super::{InferRequest, InferResponse, Observed, Version};
use crate::Tensor;
use tidegate_core::model::TensorSpec;

/// Golden requests that are tried together.
const TRIED_TOGETHER_MAX: usize = 64;

impl Version {
    /// Whether requests can be put together at all: every input and output has rows of any number, and none is scaled by what the others
    /// hold.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        !self.model.scales_batches()
            && self.inputs.iter().all(|spec| spec.shape.first().is_some_and(|rows| *rows < 0))
            && self.outputs.iter().all(|spec| spec.shape.first().is_some_and(|rows| *rows < 0))
    }

    /// Why requests should not be put together: golden requests are answered otherwise then. None where nothing speaks against it.
    #[must_use]
    pub fn differs_together(&self) -> Option<String> {
        let golden = self.golden()?.requests.iter().take(TRIED_TOGETHER_MAX);
        // A single one is tried beside itself.
        let tried: Vec<_> = golden.clone().chain(golden.take(1)).collect();
        let requests: Vec<InferRequest> = tried.iter().map(|one| self.golden_request(one)).collect::<Result<_, _>>().ok()?;
        match self.infer_together(&requests.iter().collect::<Vec<_>>()) {
            None => Some("golden requests cannot be put together".to_owned()),
            Some(answers) => tried.iter().zip(&answers).find_map(|(one, (answer, _))| {
                let why = one.differs(&answer.outputs)?;
                Some(format!("golden request `{}` is answered otherwise beside others: {why}", one.id))
            }),
        }
    }

    /// Answers to all of these requests, in their order; none where they do not fit together or one of them has no answer: then each
    /// must be asked alone, so that it is told what is wrong with it and no other is.
    #[must_use]
    pub fn infer_together(&self, requests: &[&InferRequest]) -> Option<Vec<(InferResponse, Observed)>> {
        let counts: Vec<usize> = requests.iter().copied().map(rows_of).collect::<Option<_>>()?;
        let inputs = self.stacked(requests, &counts)?;
        let total: usize = counts.iter().sum();
        let mut firsts: Vec<Vec<f32>> = Vec::new();
        let starts: Vec<usize> = counts.iter().scan(0, |at, count| Some(std::mem::replace(at, *at + count))).collect();
        let whole = InferRequest { inputs, ..InferRequest::default() };
        let answered = self.infer_seeing(&whole, |seen| {
            firsts = starts.iter().map(|start| seen.row(*start).into_iter().map(narrow).collect()).collect();
        });
        let answered = answered.ok()?.outputs;
        if answered.iter().any(|output| output.rows() != Some(total)) {
            return None;
        }
        let mut answers = Vec::with_capacity(requests.len());
        for ((request, start), count) in requests.iter().zip(&starts).zip(&counts) {
            let wanted = |output: &&Tensor| request.outputs.is_empty() || request.outputs.contains(&output.name);
            let mut outputs: Vec<Tensor> = answered.iter().filter(wanted).map(|o| o.take_rows(*start..start + count)).collect();
            if !request.outputs.is_empty() {
                if outputs.len() != request.outputs.len() {
                    return None;
                }
                outputs.sort_by_key(|output| request.outputs.iter().position(|name| *name == output.name));
            }
            let mut observed = self.about(request);
            observed.inputs = match firsts.get_mut(answers.len()) {
                Some(first) => std::mem::take(first),
                None => self.given(request),
            };
            answers.push((InferResponse { id: request.id.clone(), outputs }, observed));
        }
        Some(answers)
    }
}

impl Version {
    /// The inputs of all requests, one below the other. A field that a record lacks may be left out of its request, so where another has
    /// it, it is missing there; an input of the model itself may not.
    fn stacked(&self, requests: &[&InferRequest], counts: &[usize]) -> Option<Vec<Tensor>> {
        let named = |spec: &TensorSpec| {
            let like = requests.iter().find_map(|request| request.inputs.iter().find(|tensor| tensor.name == spec.name))?;
            let of = |(request, count): (&&InferRequest, &usize)| {
                let given = request.inputs.iter().find(|tensor| tensor.name == spec.name).cloned();
                given.or_else(|| self.transform.is_some().then(|| like.absent_rows(*count)).flatten())
            };
            let mut each = requests.iter().zip(counts).map(of);
            let mut all = each.next()??;
            each.all(|own| own.is_some_and(|own| all.append_rows(&own))).then_some(all)
        };
        let wanted = self.inputs.iter().filter(|spec| requests.iter().any(|r| r.inputs.iter().any(|t| t.name == spec.name)));
        let stacked: Vec<Tensor> = wanted.map(named).collect::<Option<_>>()?;
        // What is no input of the version is for it to refuse.
        let known = |request: &&InferRequest| request.inputs.iter().all(|tensor| stacked.iter().any(|s| s.name == tensor.name));
        requests.iter().all(known).then_some(stacked)
    }
}

/// Rows of a request; none where its inputs differ in that, one is there twice, or there is no row.
fn rows_of(request: &InferRequest) -> Option<usize> {
    let rows = request.inputs.first()?.rows().filter(|rows| *rows > 0)?;
    let once = |tensor: &Tensor| request.inputs.iter().filter(|other| other.name == tensor.name).count() == 1;
    request.inputs.iter().all(|tensor| tensor.rows() == Some(rows) && tensor.check().is_ok() && once(tensor)).then_some(rows)
}
