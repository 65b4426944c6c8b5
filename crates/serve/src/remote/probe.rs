//! Looking at one server: whether it is there, what it says of the model, and whether it answers right.

use super::connection::{Outgoing, Reply};
use super::language::{is_away, lists};
use super::{Question, Remote, Replica};
use crate::frame::Body;
use crate::language::{signature, tensors};
use crate::limits;
use crate::trace::Trace;
use hyper::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use tidegate_core::model::{Datatype, Signature, TensorSpec};
use tidegate_runtime::oip::{self, read_infer_response};
use tidegate_runtime::{Golden, GoldenRequest, InferRequest, Tensor};

/// What a server says of itself and the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// The protocol's name of the platform.
    pub platform: String,
    /// Inputs and outputs.
    pub signature: Signature,
    /// Whether it takes and gives tensors as bytes.
    pub binary: bool,
}

/// Why a look found no right server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// It gave no answer, or said that it is not ready.
    Away(String),
    /// It answered otherwise than it should.
    Wrong(String),
}

impl Remote {
    async fn get(&self, replica: &Replica, path: &str) -> Result<Reply, Miss> {
        let within = Duration::from_millis(limits::PROBE_MS_MAX);
        let asked = Outgoing { head: self.head(replica.connections.address(), "GET", path, "\r\n"), body: Body::default() };
        let asked = replica.connections.send(&asked, None);
        match tokio::time::timeout(within, asked).await {
            Ok(Ok(reply)) if reply.status == StatusCode::OK => Ok(reply),
            Ok(Ok(reply)) => {
                let address = replica.connections.address();
                Err(Miss::Away(format!("{address} answers {} to GET {path}", reply.status.as_u16())))
            }
            Ok(Err(lost)) => Err(Miss::Away(lost.to_string())),
            Err(_) => {
                let address = replica.connections.address();
                Err(Miss::Away(format!("{address} gave no answer to GET {path} within {} ms", limits::PROBE_MS_MAX)))
            }
        }
    }

    /// Whether the model is ready there.
    pub async fn is_there(&self, replica: &Replica) -> Result<(), Miss> {
        match &self.model.openai {
            Some(openai) => self.get(replica, &format!("{}/models", openai.base)).await.map(|_| ()),
            None => self.get(replica, &format!("{}/ready", self.path)).await.map(|_| ()),
        }
    }

    /// What a server says of the model.
    pub async fn described_by(&self, replica: &Replica) -> Result<Described, Miss> {
        if let Some(openai) = &self.model.openai {
            let listed = self.get(replica, &format!("{}/models", openai.base)).await?;
            let wrong = |why: String| Miss::Wrong(format!("{}: {why}", replica.connections.address()));
            lists(&listed.body, &self.model.model).map_err(wrong)?;
            return Ok(Described { platform: "openai".to_owned(), signature: signature(openai), binary: false });
        }
        #[derive(Deserialize)]
        struct Server {
            #[serde(default)]
            extensions: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Model {
            #[serde(default)]
            platform: String,
            #[serde(default)]
            inputs: Vec<Spec>,
            #[serde(default)]
            outputs: Vec<Spec>,
        }
        let unread = |path: &str, why: &dyn std::fmt::Display| {
            Miss::Away(format!("{}: the answer to GET {path} cannot be read: {why}", replica.connections.address()))
        };
        // Servers that tell nothing of themselves have no extensions.
        let server = match self.get(replica, "/v2").await {
            Ok(reply) => serde_json::from_slice::<Server>(&reply.body).map_or_else(|_| Vec::new(), |server| server.extensions),
            Err(_) => Vec::new(),
        };
        let reply = self.get(replica, &self.path).await?;
        let model: Model = serde_json::from_slice(&reply.body).map_err(|e| unread(&self.path, &e))?;
        let specs = |all: Vec<Spec>| all.into_iter().map(Spec::read).collect::<Result<Vec<_>, String>>();
        let inputs = specs(model.inputs).map_err(|e| unread(&self.path, &e))?;
        let outputs = specs(model.outputs).map_err(|e| unread(&self.path, &e))?;
        let binary = server.iter().any(|extension| extension == "binary_tensor_data");
        Ok(Described { platform: model.platform, signature: Signature { inputs, outputs }, binary })
    }

    /// What a server answers to a golden request.
    pub async fn golden_answer(&self, replica: &Replica, request: &GoldenRequest) -> Result<Vec<Tensor>, Miss> {
        let mut asked = InferRequest { id: Some(request.id.clone()), inputs: request.inputs.clone(), ..InferRequest::default() };
        let address = replica.connections.address();
        let language = self.golden_question(&asked).map_err(|why| Miss::Wrong(format!("golden request `{}`: {why}", request.id)))?;
        let (task, question) = match language {
            Some((task, question)) => (Some(task), question),
            None => (None, Question::of(self.written(&mut asked))),
        };
        let within = Duration::from_millis(if task.is_some() { limits::GOLDEN_GENERATE_MS_MAX } else { limits::GOLDEN_MS_MAX });
        let reply =
            match tokio::time::timeout(within, replica.connections.send(&self.sent(replica, &question, &Trace::default()), None)).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(lost)) => return Err(Miss::Away(lost.to_string())),
                Err(_) => {
                    let why = format!("{address} gave no answer to golden request `{}` within {} ms", request.id, within.as_millis());
                    return Err(Miss::Away(why));
                }
            };
        match reply.status {
            StatusCode::OK => {}
            // It has no room, or is not there: nothing was answered.
            status if is_away(status) => {
                return Err(Miss::Away(format!("{address} answers {} to golden request `{}`", status.as_u16(), request.id)));
            }
            status => {
                return Err(Miss::Wrong(format!("{address} answers {} to golden request `{}`", status.as_u16(), request.id)));
            }
        }
        if let Some(task) = task {
            let wrong = |why: String| Miss::Wrong(format!("{address} answers golden request `{}` otherwise: {why}", request.id));
            return tensors(task, &reply.body).map_err(wrong);
        }
        let json_bytes = match crate::gateway::form_said(reply.json_bytes.as_deref(), reply.body.len()) {
            Ok(form) => form.json_bytes(),
            Err(why) => {
                return Err(Miss::Wrong(format!("{address} answers golden request `{}` with what cannot be read: {why}", request.id)));
            }
        };
        let read = read_infer_response(oip::Body { bytes: &reply.body, json_bytes });
        let wrong = |e: oip::OipError| {
            Miss::Wrong(format!("{address} answers golden request `{}` with what cannot be read: {}", request.id, e.message))
        };
        read.map(|(_, response)| response.outputs).map_err(wrong)
    }

    /// Whether a server answers a golden request as it should.
    pub async fn is_right(&self, replica: &Replica, request: &GoldenRequest) -> Result<(), Miss> {
        let outputs = self.golden_answer(replica, request).await?;
        match request.differs(&outputs) {
            None => Ok(()),
            Some(why) => {
                Err(Miss::Wrong(format!("{} answers golden request `{}` otherwise: {why}", replica.connections.address(), request.id)))
            }
        }
    }

    /// As [`Remote::is_there`], and whether it answered users meanwhile: such a one is there, however long the look waits among them.
    pub async fn is_there_or_answers(&self, replica: &Replica) -> (Result<(), Miss>, bool) {
        let before = replica.answered();
        let found = self.is_there(replica).await;
        (found, replica.answered() > before)
    }

    /// As [`Remote::is_right`], and whether it answered users since it had answered `before` of them. A golden answer may take long, and a
    /// server that has stopped must not have as long: it is looked at meanwhile as at other times.
    pub async fn is_right_and_there(&self, replica: &Replica, request: &GoldenRequest, before: u64) -> (Result<(), Miss>, bool) {
        let every = Duration::from_millis(self.upstream.probe_every_ms);
        let right = self.is_right(replica, request);
        tokio::pin!(right);
        loop {
            let look = async {
                tokio::time::sleep(every).await;
                self.is_there_or_answers(replica).await
            };
            tokio::select! {
                found = &mut right => return (found, replica.answered() > before),
                looked = look => if let (Err(_), false) = looked {
                    return looked;
                }
            }
        }
    }

    /// Whether a server is there, says what others said, and answers every golden request right.
    pub async fn is_all_right(&self, replica: &Replica, golden: &Golden) -> Result<(), Miss> {
        self.is_there(replica).await?;
        let described = self.described_by(replica).await?;
        let Signature { inputs, outputs } = &described.signature;
        if let Some(why) = self.sequencing.as_ref().and_then(|sequencing| sequencing.lacks(inputs, outputs)) {
            return Err(Miss::Wrong(format!("{}: {why}", replica.connections.address())));
        }
        for request in &golden.requests {
            self.is_right(replica, request).await?;
        }
        // What one says that is right: not the first one that says anything.
        let known = self.described.get_or_init(|| described.clone());
        if known.signature != described.signature {
            let address = replica.connections.address();
            return Err(Miss::Wrong(format!("{address} has other inputs or outputs than another server of the upstream")));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Spec {
    name: String,
    datatype: String,
    #[serde(default)]
    shape: Vec<i64>,
}

impl Spec {
    fn read(self) -> Result<TensorSpec, String> {
        let Spec { name, datatype, shape } = self;
        // Servers of Triton's configuration language say TYPE_FP32 and STRING where the protocol says FP32 and BYTES.
        let word = datatype.trim_start_matches("TYPE_");
        let word = if word == "STRING" { "BYTES" } else { word };
        let datatype = Datatype::parse(word).ok_or_else(|| format!("`{name}` has datatype `{datatype}`, which the protocol lacks"))?;
        Ok(TensorSpec { name, datatype, shape })
    }
}
