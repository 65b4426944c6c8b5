//! TLS towards clients, and client certificates where they are asked for. Files that change are taken up without a restart; files that
//! cannot be read leave what was read before.

use crate::clock;
use crate::limits::{TLS_HANDSHAKE_MS_MAX, TLS_LOOK_MS};
use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Files of a gateway that speaks TLS, all of them PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The gateway's certificate, and those between it and an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of the authorities that vouch for clients; where there are any, who has no certificate of them is not let in.
    pub clients: Option<PathBuf>,
}

impl TlsFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.clients)
    }

    /// When each was changed last.
    fn changed(&self) -> Vec<Option<SystemTime>> {
        self.all().map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok()).collect()
    }

    /// The error names the file.
    fn read(&self) -> Result<ServerConfig, String> {
        let certificates = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|why| format!("read the key {}: {why}", self.key.display()))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for one in self::certificates(path)? {
                    roots.add(one).map_err(|why| format!("read the certificates of {}: {why}", path.display()))?;
                }
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|why| format!("use the authorities of {}: {why}", path.display()))?)
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|why| format!("use the certificate {} with the key {}: {why}", self.certificate.display(), self.key.display()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |why: rustls::pki_types::pem::Error| format!("read the certificates of {}: {why}", path.display());
    let all: Vec<_> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    if all.is_empty() { Err(format!("read the certificates of {}: there is none", path.display())) } else { Ok(all) }
}

/// Lets clients in over TLS.
pub struct Door {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// What the files were when they were read.
    read: ArcSwap<Vec<Option<SystemTime>>>,
    /// When they were looked at last.
    looked_ms: AtomicU64,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Door {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or they do not fit each other.
    pub fn new(files: TlsFiles) -> Result<Door, String> {
        let read = files.changed();
        let config = ArcSwap::from_pointee(files.read()?);
        Ok(Door { files, config, read: ArcSwap::from_pointee(read), looked_ms: AtomicU64::new(clock::steady_ms()) })
    }

    /// Shakes hands; none where the client does not come to an end with it, or is none to be let in.
    pub async fn open(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        self.look();
        let acceptor = TlsAcceptor::from(self.config.load_full());
        match tokio::time::timeout(Duration::from_millis(TLS_HANDSHAKE_MS_MAX), acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(why)) => {
                tracing::debug!(%why, "a client was not let in");
                None
            }
            Err(_) => None,
        }
    }

    /// Takes up files that have changed, now and then.
    fn look(&self) {
        let (now, before) = (clock::steady_ms(), self.looked_ms.load(Ordering::Relaxed));
        let due = now.saturating_sub(before) >= TLS_LOOK_MS;
        // Of several connections at once one looks.
        if !due || self.looked_ms.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let changed = self.files.changed();
        if **self.read.load() == changed {
            return;
        }
        match self.files.read() {
            Ok(config) => {
                self.config.store(Arc::new(config));
                self.read.store(Arc::new(changed));
                tracing::info!("the gateway's certificate was read anew");
            }
            Err(why) => tracing::warn!(%why, "the gateway's certificate has changed and cannot be used: the one before is used on"),
        }
    }
}
