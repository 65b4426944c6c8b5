//! TLS before a server that speaks none, with a certificate that is made for it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// It ends with the test.
pub struct Front {
    folder: TempDir,
    port: u16,
    _runtime: Runtime,
}

impl Front {
    /// One before the server at this port; none, said loudly, where nothing makes certificates.
    pub fn before(server: u16) -> Option<Front> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["server", "other"] {
            let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
            let of = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
            let mut command = Command::new("openssl");
            command.args(kind).args(of).arg("-keyout").arg(at(&format!("{name}.key"))).arg("-out").arg(at(&format!("{name}.pem")));
            if !command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                eprintln!("skipped: no `openssl` that makes certificates");
                return None;
            }
        }
        let (cert, key) =
            (CertificateDer::from_pem_file(at("server.pem")).unwrap(), PrivateKeyDer::from_pem_file(at("server.key")).unwrap());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![cert], key).unwrap()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Connections end with the runtime.
        let connections = runtime.handle().clone();
        drop(runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                drop(connections.spawn(async move {
                    // Who does not trust it, or speaks no TLS, is gone.
                    let mut near = acceptor.accept(near).await.ok()?;
                    let mut far = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok()
                }));
            }
        }));
        Some(Front { folder, port, _runtime: runtime })
    }

    /// Its address, by the name that its certificate has.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// What vouches for it.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// What vouches for another server of the same name.
    pub fn another(&self) -> PathBuf {
        self.folder.path().join("other.pem")
    }
}
