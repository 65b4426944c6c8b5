//! How the gateway is run.

use crate::limits;
use crate::log::LogSettings;
use crate::trace::TraceSettings;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

pub use super::access::{Key, Tokens};
pub use super::tls::TlsFiles;

/// A listener that is taken once: nobody else listens on when the gateway stops.
#[derive(Clone, Debug)]
pub struct Given(Arc<Mutex<Option<TcpListener>>>);

impl Given {
    /// A listener that another process gave.
    #[must_use]
    pub fn new(listener: TcpListener) -> Given {
        Given(Arc::new(Mutex::new(Some(listener))))
    }

    pub(super) fn take(&self) -> Option<TcpListener> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How the gateway is run.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Listens already, given by another process: then nobody is let in before [`Gateway::open`](super::Gateway::open).
    pub given: Option<Given>,
    /// Files, where it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Who may ask; without any, only the public endpoints answer.
    pub tokens: Tokens,
    /// What `/v2` says.
    pub server_name: String,
    /// Seed of the splits.
    pub seed: u64,
    /// What pseudonyms of clients in A/B tests are made with.
    pub client_secret: [u8; 32],
    /// See [`limits::BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// See [`limits::UNPACKED_BYTES_MAX`].
    pub unpacked_bytes_max: usize,
    /// See [`limits::REQUESTS_MAX`].
    pub requests_max: usize,
    /// See [`limits::CACHE_BYTES_MAX`].
    pub cache_bytes_max: u64,
    /// Where traces are told, if anywhere.
    pub traces: Option<TraceSettings>,
    /// Lines of predictions, if any are written.
    pub log: Option<LogSettings>,
    /// Deadlines.
    pub timings: Timings,
}

/// Deadlines of the gateway, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// See [`limits::ANSWER_MS_MAX`].
    pub answer_ms_max: u64,
    /// See [`limits::DRAIN_ANNOUNCE_MS`].
    pub announce_ms: u64,
    /// See [`limits::DRAIN_LINGER_MS`].
    pub linger_ms: u64,
    /// See [`limits::DRAIN_FINISH_MS`].
    pub finish_ms: u64,
}

impl GatewaySettings {
    /// The default limits.
    #[must_use]
    pub fn new(listen: SocketAddr, tokens: Vec<String>, seed: u64) -> GatewaySettings {
        GatewaySettings {
            listen,
            given: None,
            tls: None,
            tokens: Tokens::new(tokens),
            server_name: "tidegate".to_owned(),
            seed,
            client_secret: [0; 32],
            body_bytes_max: limits::BODY_BYTES_MAX,
            unpacked_bytes_max: limits::UNPACKED_BYTES_MAX,
            requests_max: limits::REQUESTS_MAX,
            cache_bytes_max: limits::CACHE_BYTES_MAX,
            traces: None,
            log: None,
            timings: Timings {
                answer_ms_max: limits::ANSWER_MS_MAX,
                announce_ms: limits::DRAIN_ANNOUNCE_MS,
                linger_ms: limits::DRAIN_LINGER_MS,
                finish_ms: limits::DRAIN_FINISH_MS,
            },
        }
    }
}
