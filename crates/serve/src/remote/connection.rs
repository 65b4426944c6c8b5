//! Connections to one server: kept open between requests, one request at a time on each.

use super::upstream::{Address, Upstream};
use crate::limits;
use crate::task;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Sender = SendRequest<Full<Bytes>>;

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("cannot connect to {address}: {why}")]
    Connect { address: String, why: String },
    #[error("{address} broke the connection off: {why}")]
    Broken { address: String, why: String },
    #[error("the answer of {address} is longer than {max} bytes", max = limits::FRAME_BYTES_MAX)]
    Long { address: String },
}

/// The way to one server.
pub struct Connections {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
}

/// What TLS connections of an upstream go by; none where no address wants it.
///
/// # Errors
/// When certificates cannot be read.
pub fn connector(upstream: &Upstream) -> Result<Option<TlsConnector>, String> {
    if !upstream.active.iter().chain(&upstream.standby).any(|a| a.tls) {
        return Ok(None);
    }
    let mut roots = rustls::RootCertStore::empty();
    match &upstream.ca {
        Some(path) => {
            let unreadable = |why: String| format!("upstream {}: read the certificates of {}: {why}", upstream.name, path.display());
            let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?;
            for one in all {
                roots.add(one.map_err(|e| unreadable(e.to_string()))?).map_err(|e| unreadable(e.to_string()))?;
            }
        }
        None => {
            // Single certificates of the system's store that cannot be read are none to trust.
            let (_added, _unread) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(format!("upstream {}: no authority is known that could vouch for a server: give `ca`", upstream.name));
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("upstream {}: {e}", upstream.name))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

impl Connections {
    /// The way to `address`; nothing is connected yet.
    ///
    /// # Errors
    /// When the host's name cannot stand in a certificate.
    pub fn new(address: Address, tls: Option<&TlsConnector>) -> Result<Connections, String> {
        let tls = match (address.tls, tls) {
            (true, Some(connector)) => {
                let name = ServerName::try_from(address.host.clone()).map_err(|e| format!("{address}: {e}"))?;
                Some((connector.clone(), name))
            }
            _ => None,
        };
        Ok(Connections { address, tls, idle: Mutex::default() })
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sender>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and reads the answer. Dropped before its end it closes its connection, so that the server may stop too.
    ///
    /// A connection that was kept may have been closed by the server meanwhile: then the request goes out once more on a new one.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Lost> {
        while let Some(mut sender) = self.take() {
            // Its last answer was read, and it takes the next request in a moment, or it was closed.
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(clone(&request)).await {
                Ok(response) => return self.read(response, sender).await,
                // Not sent at all, or closed before one byte of an answer: the server had let go of the connection.
                Err(mut error) => {
                    if error.take_message().is_none() && !error.error().is_incomplete_message() {
                        return Err(self.broken(error.error()));
                    }
                }
            }
        }
        let mut sender = self.connect().await?;
        match sender.send_request(request).await {
            Ok(response) => self.read(response, sender).await,
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle();
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn read(&self, response: hyper::Response<hyper::body::Incoming>, sender: Sender) -> Result<Reply, Lost> {
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, limits::FRAME_BYTES_MAX).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Lost::Long { address: self.address.to_string() }),
            Err(error) => return Err(Lost::Broken { address: self.address.to_string(), why: error.to_string() }),
        };
        self.keep(sender);
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    /// Keeps a connection for the next request.
    fn keep(&self, sender: Sender) {
        let mut idle = self.idle();
        if !sender.is_closed() && idle.len() < limits::REPLICA_CONNECTIONS_KEPT_MAX {
            idle.push(sender);
        }
    }

    /// Closes what is kept: the server is gone, or was.
    pub fn forget(&self) {
        self.idle().clear();
    }

    fn broken(&self, error: &hyper::Error) -> Lost {
        Lost::Broken { address: self.address.to_string(), why: error.to_string() }
    }

    async fn connect(&self) -> Result<Sender, Lost> {
        let failed = |why: String| Lost::Connect { address: self.address.to_string(), why };
        let within = Duration::from_millis(limits::CONNECT_MS_MAX);
        let connected = async {
            let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await.map_err(|e| failed(e.to_string()))?;
            stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
            match &self.tls {
                None => run(stream).await.map_err(|e| failed(e.to_string())),
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), stream).await.map_err(|e| failed(e.to_string()))?;
                    run(stream).await.map_err(|e| failed(e.to_string()))
                }
            }
        };
        let late = |_| failed(format!("not within {} ms", limits::CONNECT_MS_MAX));
        tokio::time::timeout(within, connected).await.map_err(late)?
    }
}

async fn run(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static) -> hyper::Result<Sender> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    task::spawn(async move {
        // Whoever waits for an answer is told why there is none.
        let _ = connection.await;
    });
    Ok(sender)
}

fn clone(request: &Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
