//! Connections to servers that speak no HTTP: TCP, or TLS over it, with limits of time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};

/// How long a server is waited for when a connection is made.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// What carries bytes both ways.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

/// A connection that is read in pieces.
pub(crate) type Link = BufReader<Box<dyn Carrier>>;

/// What is done, and with which server, for what goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What is done.
    pub operation: &'static str,
    /// With whom.
    pub server: String,
}

impl Place {
    pub(crate) fn fails(&self, kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure { kind, operation: self.operation, object: self.server.clone(), detail: detail.into() }
    }

    /// Waits no longer than so long.
    pub(crate) async fn within<T>(&self, longest: Duration, work: impl Future<Output = std::io::Result<T>>) -> Result<T, Failure> {
        let late = || self.fails(FailureKind::Transient, format!("no answer within {} s: see whether it is up", longest.as_secs()));
        let lost = |why| self.fails(FailureKind::Transient, format!("the connection failed: see whether it is up ({why})"));
        timeout(longest, work).await.map_err(|_| late())?.map_err(lost)
    }

    /// A connection to the server.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Carrier>, Failure> {
        let stream = self.within(CONNECT_WAIT, TcpStream::connect(&self.server)).await?;
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    /// The same, encrypted from here on.
    pub(crate) async fn encrypt(&self, stream: Box<dyn Carrier>) -> Result<Box<dyn Carrier>, Failure> {
        let refused = |why: String| self.fails(FailureKind::Refused, why);
        let host = self.server.rsplit_once(':').map_or(self.server.as_str(), |(host, _)| host).trim_matches(['[', ']']);
        let name =
            ServerName::try_from(host.to_owned()).map_err(|why| refused(format!("`{host}` is no name that a certificate has: {why}")))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let config = config.map_err(|why| refused(format!("TLS cannot be set up here: {why}")))?;
        let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        // Whether it could be had at all, and then whether it is who it should be.
        let met = self.within(CONNECT_WAIT, async { Ok(connector.connect(name, stream).await.map_err(strange)) }).await?;
        Ok(Box::new(match met {
            Ok(stream) => stream,
            Err(Strange::Refused(why)) => return Err(refused(why)),
            Err(Strange::Lost(why)) => return self.within(CONNECT_WAIT, async { Err(why) }).await,
        }))
    }
}

/// Why TLS was not agreed on.
enum Strange {
    /// Nobody who is trusted here: trying again changes nothing.
    Refused(String),
    Lost(std::io::Error),
}

fn strange(why: std::io::Error) -> Strange {
    match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(what)) => {
            let todo = "let `SSL_CERT_FILE` name a file with the certificate of its authority, or correct the address";
            Strange::Refused(format!("its certificate is none that is trusted here ({what}): {todo}"))
        }
        Some(rustls::Error::InvalidMessage(_)) => Strange::Refused("it speaks no TLS at this port: correct the port, or `tls`".to_owned()),
        _ => Strange::Lost(why),
    }
}
