//! What an upstream says of a model before it is registered, and its answers to golden requests.

use super::child::borrowed;
use super::probe::Miss;
use super::{Remote, RemoteModel, Replica, Upstream};
use crate::clock;
use tidegate_runtime::Golden;
use tidegate_runtime::oip::Answering;

pub use super::probe::Described;

/// A model of an upstream that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// It cannot be spoken to as it is configured.
    #[error("{0}")]
    Configured(String),
    /// No server told of the model.
    #[error("ask upstream {upstream} for model {model}: {why}: start it, or name another in the model's file")]
    Away {
        /// The upstream.
        upstream: String,
        /// The model there.
        model: String,
        /// What the last server that was asked did.
        why: String,
    },
    /// A golden request that cannot be recorded.
    #[error("record golden request `{id}`: {why}")]
    Golden {
        /// The request.
        id: String,
        /// Why not.
        why: String,
    },
}

/// How long single golden requests take, in microseconds: `count` of them in turn, one after the other, over the way that users' go.
///
/// # Errors
/// When no server is there, or one of them is not answered.
pub async fn time(upstream: Upstream, model: RemoteModel, golden: &Golden, count: usize) -> Result<Vec<f64>, DescribeError> {
    let remote = remote(upstream, model)?;
    borrowed(&remote, timed(&remote, golden, count)).await.map_err(|why| away(&remote, why))?
}

async fn timed(remote: &Remote, golden: &Golden, count: usize) -> Result<Vec<f64>, DescribeError> {
    let (replica, _) = first(remote).await?;
    let mut times = Vec::with_capacity(count);
    for request in golden.requests.iter().cycle().take(count) {
        let start = clock::now();
        let answer = remote.golden_answer(replica, request).await;
        times.push(clock::elapsed_us(start));
        answer.map_err(|(Miss::Away(why) | Miss::Wrong(why))| away(remote, why))?;
    }
    Ok(times)
}

fn remote(upstream: Upstream, model: RemoteModel) -> Result<Remote, DescribeError> {
    let answering = Answering { model_name: model.model.clone(), model_version: model.version.clone() };
    Remote::new(upstream, model, answering, Default::default()).map_err(DescribeError::Configured)
}

fn away(remote: &Remote, why: String) -> DescribeError {
    DescribeError::Away { upstream: remote.upstream.name.clone(), model: remote.model.model.clone(), why }
}

/// The first server that tells of the model, and what it tells.
async fn first(remote: &Remote) -> Result<(&Replica, Described), DescribeError> {
    let mut last = String::new();
    for replica in &remote.replicas {
        let found = match remote.is_there(replica).await {
            Ok(()) => remote.described_by(replica).await,
            Err(miss) => Err(miss),
        };
        match found {
            Ok(described) => return Ok((replica, remote.described.get_or_init(|| described).clone())),
            Err(Miss::Away(why) | Miss::Wrong(why)) => last = why,
        }
    }
    Err(away(remote, last))
}

/// Asks the servers of an upstream in their order until one tells of the model; and records its answers to `golden`.
///
/// # Errors
/// When none does, or a golden request is answered by an error, or otherwise than its author knows.
pub async fn describe(
    upstream: Upstream,
    model: RemoteModel,
    golden: Option<&Golden>,
) -> Result<(Described, Option<Golden>), DescribeError> {
    let remote = remote(upstream, model)?;
    borrowed(&remote, recorded(&remote, golden)).await.map_err(|why| away(&remote, why))?
}

async fn recorded(remote: &Remote, golden: Option<&Golden>) -> Result<(Described, Option<Golden>), DescribeError> {
    let (replica, described) = first(remote).await?;
    let Some(golden) = golden else { return Ok((described, None)) };
    let mut recorded = golden.clone();
    for request in &mut recorded.requests {
        let unfit = |why: String| DescribeError::Golden { id: request.id.clone(), why };
        if request.record.is_some() {
            return Err(unfit("it is a record, and an upstream takes tensors: write `inputs`".to_owned()));
        }
        let outputs = match remote.golden_answer(replica, request).await {
            Ok(outputs) => outputs,
            Err(Miss::Away(why) | Miss::Wrong(why)) => return Err(unfit(why)),
        };
        if let Some(why) = request.differs(&outputs) {
            return Err(unfit(why));
        }
        request.record(outputs);
    }
    Ok((described, Some(recorded)))
}
