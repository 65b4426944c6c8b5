//! `grpc.health.v1.Health`: whether the server is well, once, or now and whenever that changes.

use super::{read, written};
use crate::gateway::{Shared, about};
use crate::limits::{WATCH_MS, WATCHERS_MAX};
use bytes::Bytes;
use futures::{Stream, stream};
use hyper::StatusCode;
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_runtime::oip::grpc::messages as m;
use tonic::{Request as Called, Response, Status};

/// Of `HealthCheckResponse.ServingStatus`.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

/// Whether a service is well. Names of models are for those alone who have a token: they are no services here.
fn status(shared: &Shared, service: &str) -> i32 {
    match service {
        "" | "inference.GRPCInferenceService" if about::ready(shared).status() == StatusCode::OK => SERVING,
        "" | "inference.GRPCInferenceService" => NOT_SERVING,
        _ => SERVICE_UNKNOWN,
    }
}

/// Answers `Check`.
pub fn check(shared: &Shared, body: &Bytes) -> Result<Response<Bytes>, Status> {
    let m::HealthCheckRequest { service } = read(body)?;
    match status(shared, &service) {
        SERVICE_UNKNOWN => Err(Status::not_found(format!("there is no service `{service}`"))),
        status => written(&m::HealthCheckResponse { status }),
    }
}

/// A place among those who watch.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Place> {
        // Dropped where there is none, which gives it back.
        let place = Place(Arc::clone(shared));
        (shared.watchers.fetch_add(1, Ordering::Relaxed) < WATCHERS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers `Watch`: at once, and again when it changes, until the gateway is being stopped.
pub fn watch(shared: &Arc<Shared>, call: Called<Bytes>) -> Result<Response<impl Stream<Item = Result<Bytes, Status>> + use<>>, Status> {
    let m::HealthCheckRequest { service } = read(&call.into_inner())?;
    let Some(place) = Place::take(shared) else {
        return Err(Status::resource_exhausted(format!("{WATCHERS_MAX} watch already, at most that many: ask `Check` now and then")));
    };
    Ok(Response::new(stream::unfold(Some((place, None)), move |state| next(service.clone(), state))))
}

/// Who watches and what was said last; none when nothing more is said.
type State = Option<(Place, Option<i32>)>;

async fn next(service: String, state: State) -> Option<(Result<Bytes, Status>, State)> {
    let (place, said) = state?;
    loop {
        let closing = place.0.closing.load(Ordering::SeqCst);
        let now = status(&place.0, &service);
        if said != Some(now) {
            let message = m::HealthCheckResponse { status: now }.encode_to_vec();
            return Some((Ok(message.into()), Some((place, Some(now)))));
        }
        if closing {
            // A stream without an end would hold up the connection's.
            return Some((Err(Status::unavailable("the server is being stopped")), None));
        }
        tokio::time::sleep(Duration::from_millis(WATCH_MS)).await;
    }
}
