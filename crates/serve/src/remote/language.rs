//! Requests to language models: passed on as their servers take them, and answers passed on while they come.

use super::answer::Meant;
use super::{Ended, Question, Remote};
use crate::frame::{Answer, Body, Form, Outcome};
use crate::language::{Generated, Meter, OpenAi, Outlet, Task, generated, of_answer, prepared, request_of, scanned, tensors};
use crate::pool::NoAnswer;
use bytes::Bytes;
use hyper::StatusCode;
use tidegate_core::scan::{Action, Findings};
use tidegate_runtime::oip::{self, Wanted, read_infer_request};
use tidegate_runtime::{InferRequest, InferResponse};
use tokio::time::Instant;

impl Remote {
    /// Asks a language model until `until` has passed, or what comes through the outlet takes too long.
    pub(super) async fn ask_language(
        &self,
        task: Task,
        bytes: &Bytes,
        until: Instant,
        outlet: Option<&Outlet>,
    ) -> Result<Answer, NoAnswer> {
        // What is to be kept back is looked through whole, and before any of it is given out.
        let through = outlet.filter(|_| task != Task::Embedding && !self.keeps_back());
        let question = match self.question(task, bytes, through) {
            Ok(question) => Question { client: outlet, ..question },
            Err(why) => return Ok(Answer::error(Outcome::ClientFault, &why)),
        };
        let answer = self.ask_all(&question, until).await?;
        let Some(outlet) = outlet.filter(|_| answer.outcome == Outcome::Answered && !answer.body.bytes.is_empty()) else {
            return Ok(answer);
        };
        let Ok(said) = serde_json::from_slice(&answer.body.bytes) else {
            return Ok(Answer::error(Outcome::Failed, "the upstream's answer is no JSON"));
        };
        // Where the client has left meanwhile, it was answered all the same.
        outlet.pass(of_answer(task, &said, question.usage_wanted), true).await;
        Ok(Answer { body: Body::default(), ..answer })
    }

    /// Whether anything that is found in answers is not given out.
    fn keeps_back(&self) -> bool {
        self.scan.0.values().any(|action| *action != Action::Flag)
    }

    /// A request as servers are asked it; it is passed on through the outlet, where one is given.
    fn question<'a>(&self, task: Task, bytes: &Bytes, outlet: Option<&'a Outlet>) -> Result<Question<'a>, String> {
        let form = Form::Language(task);
        match (task, &self.model.openai) {
            (Task::Generate, None) if !self.promise.is_empty() => {
                Err("`serving.outputs` holds this model's answers to what they were promised to be: ask it at /v2/models/../infer"
                    .to_owned())
            }
            (Task::Generate, None) => {
                let path = format!("{}/generate{}", self.path, if outlet.is_some() { "_stream" } else { "" });
                Ok(Question { path: Some(path), body: Body { bytes: bytes.clone(), form }, outlet, client: None, usage_wanted: true })
            }
            (Task::Chat | Task::Completion | Task::Embedding, Some(openai)) => {
                let prepared = prepared(bytes, task, &self.model.model, openai, outlet.is_some())?;
                let path = format!("{}{}", openai.base, task.path());
                let body = Body { bytes: prepared.body.into(), form };
                Ok(Question { path: Some(path), body, outlet, client: None, usage_wanted: prepared.usage_wanted })
            }
            (Task::Generate, Some(_)) => Err("the model's servers speak OpenAI's API: ask it at /v1/chat/completions".to_owned()),
            (_, None) => Err("the model's servers speak the Open Inference Protocol: ask it at /v2/models".to_owned()),
        }
    }

    /// What reads an answer as it passes.
    pub(super) fn meter(&self, question: &Question<'_>) -> Option<Meter> {
        let Form::Language(task) = question.body.form else { return None };
        Some(Meter::new(task, question.usage_wanted, !self.scan.is_empty()))
    }

    /// What has passed through the outlet, as an answer.
    pub(super) fn passed(&self, meter: &Meter) -> Answer {
        let found = self.found(meter);
        Answer { found, generated: Some(self.priced(meter.generated())), ..Answer::empty() }
    }

    /// What was found in what has passed. Nothing is masked here: where anything is to be, the answer is not passed on while it comes.
    fn found(&self, meter: &Meter) -> Findings {
        let mut found = Findings::default();
        for text in meter.texts() {
            let _ = self.scan.scan(text, &mut found);
        }
        found
    }

    /// With what it costs, where the version has prices and the server told of tokens.
    fn priced(&self, generated: Generated) -> Generated {
        let price = self.model.openai.as_ref().and_then(|openai| openai.price).filter(|_| generated.told);
        Generated { cost: price.map(|price| price.of(generated.tokens)), ..generated }
    }

    /// A whole answer of a language model, as it may be given out and with what it took.
    pub(super) fn took(&self, answer: Answer) -> Answer {
        let answer = Answer { generated: Some(self.priced(generated(&answer.body.bytes))), ..answer };
        if self.scan.is_empty() { answer } else { scanned(answer, &self.scan) }
    }

    /// A request of the Open Inference Protocol to a model whose servers speak OpenAI's API.
    pub(super) async fn ask_by_tensors(&self, openai: &OpenAi, body: &Body, until: Instant) -> Result<Answer, NoAnswer> {
        let fault = |why: &str| Ok(Answer::error(Outcome::ClientFault, why));
        let read = match body.form {
            Form::Grpc => oip::grpc::read_request(&body.bytes).map(|request| (request, Wanted::default())),
            _ => read_infer_request(body.over_http(), self.inputs()),
        };
        let (request, wanted) = match read {
            Ok(read) => read,
            Err(why) => return fault(&why.message),
        };
        let asked = match request_of(&request).and_then(|json| self.question(openai.task, &Bytes::from(json), None)) {
            Ok(asked) => asked,
            Err(why) => return fault(&why),
        };
        let answer = self.ask_all(&asked, until).await?;
        if answer.outcome != Outcome::Answered {
            return Ok(answer);
        }
        let outputs = match tensors(openai.task, &answer.body.bytes) {
            Ok(outputs) => outputs,
            Err(why) => return Ok(Answer::error(Outcome::Failed, &why)),
        };
        let response = InferResponse { id: request.id, outputs };
        let record_id = response.id.clone().unwrap_or_default();
        if body.form == Form::Grpc {
            let bytes = oip::grpc::write_response(&self.answering, &response).into();
            return Ok(self.promise.kept(body, Answer { record_id, body: Body { bytes, form: Form::Grpc }, ..answer }));
        }
        match oip::answer(&self.answering, &response, &wanted) {
            Ok(written) => Ok(self.promise.kept(body, Answer { record_id, body: Body::from(written), ..answer })),
            Err(why) => fault(&why.message),
        }
    }

    /// A golden request as servers are asked it.
    pub(super) fn golden_question(&self, request: &InferRequest) -> Result<Option<(Task, Question<'static>)>, String> {
        let Some(openai) = &self.model.openai else { return Ok(None) };
        let json = request_of(request)?;
        Ok(Some((openai.task, self.question(openai.task, &Bytes::from(json), None)?)))
    }

    /// A stream that broke off, or took too long, after some of it had passed.
    pub(super) fn broken_off(&self, meter: &Meter, why: &str) -> Meant {
        Meant::Failed(Answer { found: self.found(meter), ..Answer::error(Outcome::Failed, why) })
    }

    /// How a stream ended that has passed, or not begun: `reply` is what came in place of one.
    pub(super) fn streamed(&self, meter: &Meter, begun: bool, ended: Ended) -> Meant {
        match ended {
            // A server that has said nothing yet was given up for it.
            Ended::Left if begun && meter.spoken() => Meant::Answer(self.passed(meter), None),
            Ended::Left => Meant::Left,
            Ended::Whole => match meter.fault() {
                None => Meant::Answer(self.passed(meter), Some(true)),
                Some(why) => self.broken_off(meter, &why),
            },
        }
    }
}

/// Whether a list of models names one; an answer that is no such list is none.
pub(super) fn lists(body: &[u8], model: &str) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Models {
        data: Vec<Model>,
    }
    #[derive(serde::Deserialize)]
    struct Model {
        id: String,
    }
    const SHOWN_MAX: usize = 5;
    let Models { data } = serde_json::from_slice(body).map_err(|why| format!("its list of models cannot be read: {why}"))?;
    if data.iter().any(|one| one.id == model) {
        return Ok(());
    }
    let there: Vec<&str> = data.iter().map(|one| one.id.as_str()).take(SHOWN_MAX).collect();
    Err(format!("it has no model `{model}`: it has {}", if there.is_empty() { "none".to_owned() } else { there.join(", ") }))
}

/// Statuses that say that nothing was answered.
pub(super) fn is_away(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}
