//! The listener and its connections: HTTP/1.1, and HTTP/2 for clients that begin with its preface, as those of gRPC do, or that agree on it
//! over TLS.

use crate::gateway::tls::Door;
use crate::gateway::{GatewaySettings, Phase, Shared, grpc, handle};
use crate::limits;
use http_body_util::Either;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// A gateway that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Somebody else listens there.
    #[error(
        "listen on {address}: port {} is already taken: stop the program that listens there (`ss -ltnp 'sport = :{}'` names it) or choose another port",
        address.port(),
        address.port()
    )]
    Taken {
        /// Where.
        address: SocketAddr,
    },
    /// The system says no.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot speak TLS.
    #[error("start the gateway with TLS: {why}")]
    Tls {
        /// Why.
        why: String,
    },
    /// It cannot tell of traces.
    #[error("start the gateway with `gateway.traces`: {why}")]
    Traces {
        /// Why.
        why: String,
    },
    /// It cannot write lines of predictions.
    #[error("start the gateway with `gateway.log`: {why}")]
    Log {
        /// Why.
        why: String,
    },
    /// Too many tokens.
    #[error("start the gateway: {count} tokens, at most {}", limits::TOKENS_MAX)]
    Tokens {
        /// How many.
        count: usize,
    },
}

/// Takes the port.
pub async fn bind(settings: &GatewaySettings, given: Option<std::net::TcpListener>) -> Result<TcpListener, GatewayError> {
    let count = settings.tokens.count();
    if count > limits::TOKENS_MAX {
        return Err(GatewayError::Tokens { count });
    }
    let address = settings.listen;
    if let Some(given) = given {
        let taken = given.set_nonblocking(true).and_then(|()| TcpListener::from_std(given));
        return taken.map_err(|source| GatewayError::Listen { address, source });
    }
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => GatewayError::Taken { address },
        _ => GatewayError::Listen { address, source },
    })
}

/// Accepts until told to stop, then waits for connections; returns how many were cut.
pub async fn serve(
    listener: TcpListener,
    door: Option<Arc<Door>>,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
    opened: Option<Arc<Notify>>,
) -> usize {
    // Where another process has the same listener, it lets them in until this one can answer.
    if let Some(opened) = opened {
        tokio::select! {
            () = opened.notified() => {}
            () = reached(&mut phase, Phase::Lingering) => return 0,
        }
    }
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < limits::CONNECTIONS_MAX;
        tokio::select! {
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, door.clone(), Arc::clone(&shared), phase.clone()));
                }
                Err(error) => {
                    // Out of file handles, most likely: closing connections gives some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            () = reached(&mut phase, Phase::Lingering) => break,
        }
    }
    for stream in accepted_by_the_system(listener, limits::CONNECTIONS_MAX.saturating_sub(connections.len())) {
        connections.spawn(connection(stream, door.clone(), Arc::clone(&shared), phase.clone()));
    }
    loop {
        tokio::select! {
            last = connections.join_next() => if last.is_none() { return 0 },
            () = reached(&mut phase, Phase::Cutting) => return connections.len(),
        }
    }
}

/// Connections that nobody has taken over yet. They would be reset with the listener, and with them requests that were sent.
fn accepted_by_the_system(listener: TcpListener, most: usize) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let taken = std::iter::from_fn(|| listener.accept().ok()).take(most);
    taken.filter_map(|(stream, _)| stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).ok()).collect()
}

/// Returns when `phase` has come this far, or the gateway was dropped without draining.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The guard must not live across the caller's next wait.
    drop(phase.wait_for(|p| *p >= wanted).await);
}

/// One connection, until either side ends it.
async fn connection(stream: TcpStream, door: Option<Arc<Door>>, shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) {
    // Without it small answers would wait for acknowledgements; a socket that cannot is only slower.
    let _ = stream.set_nodelay(true);
    let Some(door) = door else {
        let began = tokio::select! {
            began = begins_with_preface(&stream) => began,
            () = reached(&mut phase, Phase::Closing) => None,
        };
        if let Some(http2) = began {
            serve_on(stream, http2, shared, phase).await;
        }
        return;
    };
    let opened = tokio::select! {
        opened = door.open(stream) => opened,
        () = reached(&mut phase, Phase::Closing) => None,
    };
    if let Some(stream) = opened {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        serve_on(stream, http2, shared, phase).await;
    }
}

/// Answers the requests of one connection.
async fn serve_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    http2: bool,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            Ok::<_, Infallible>(if grpc::is_grpc(&request) {
                grpc::handle(&shared, request).await.map(Either::Right)
            } else {
                handle::handle(&shared, request).await.map(Either::Left)
            })
        }
    });
    if http2 {
        let serving = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_millis(limits::HTTP2_PING_MS))
            .keep_alive_timeout(Duration::from_millis(limits::HTTP2_PING_ANSWER_MS_MAX))
            .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
            .max_header_list_size(limits::HEADER_BYTES_MAX as u32)
            .serve_connection(TokioIo::new(stream), service);
        until_closed(serving, phase).await;
    } else {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(limits::HEADER_READ_MS_MAX))
            .max_buf_size(limits::HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        until_closed(serving, phase).await;
    }
}

/// Serves until the client ends it, or the gateway wants to: then what is under way is answered first.
async fn until_closed<C: GracefulConnection<Error = hyper::Error>>(serving: C, mut phase: watch::Receiver<Phase>) {
    tokio::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = reached(&mut phase, Phase::Closing) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// First bytes of HTTP/2 (RFC 9113, section 3.4); no request of HTTP/1.1 begins like that.
const PREFACE: &[u8; 3] = b"PRI";
/// How long it is waited for more of them, in milliseconds.
const PREFACE_WAIT_MS: u64 = 5;

/// Whether a connection begins as HTTP/2 does; none when it says nothing in time, or ends.
async fn begins_with_preface(stream: &TcpStream) -> Option<bool> {
    let peeked = async {
        let mut first = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return None,
                Ok(n) if n == first.len() || !PREFACE.starts_with(&first[..n]) => return Some(first == *PREFACE),
                // What is peeked at stays there, so one byte would be found again at once.
                Ok(_) => tokio::time::sleep(Duration::from_millis(PREFACE_WAIT_MS)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(limits::HEADER_READ_MS_MAX), peeked).await.ok().flatten()
}
