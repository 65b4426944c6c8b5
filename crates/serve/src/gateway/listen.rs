//! The listener and its connections.

use crate::gateway::{GatewaySettings, Phase, Shared, handle};
use crate::limits;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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
    /// Too many tokens.
    #[error("start the gateway: {count} tokens, at most {}", limits::TOKENS_MAX)]
    Tokens {
        /// How many.
        count: usize,
    },
}

/// Takes the port.
pub async fn bind(settings: &GatewaySettings) -> Result<TcpListener, GatewayError> {
    let count = settings.tokens.count();
    if count > limits::TOKENS_MAX {
        return Err(GatewayError::Tokens { count });
    }
    let address = settings.listen;
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => GatewayError::Taken { address },
        _ => GatewayError::Listen { address, source },
    })
}

/// Accepts until told to stop, then waits for connections; returns how many were cut.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) -> usize {
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < limits::CONNECTIONS_MAX;
        tokio::select! {
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared), phase.clone()));
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
    drop(listener);
    loop {
        tokio::select! {
            last = connections.join_next() => if last.is_none() { return 0 },
            () = reached(&mut phase, Phase::Cutting) => return connections.len(),
        }
    }
}

/// Returns when `phase` has come this far, or the gateway was dropped without draining.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The guard must not live across the caller's next wait.
    drop(phase.wait_for(|p| *p >= wanted).await);
}

/// One connection, until either side ends it.
async fn connection(stream: TcpStream, shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) {
    // Without it small answers would wait for acknowledgements; a socket that cannot is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle::handle(&shared, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HEADER_READ_MS_MAX))
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
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
