//! Whom a driver trusts: a server of TLS whose certificate the given authority vouches for, and no other.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tidegate_adapters::curl::CurlTrusting;
use tidegate_adapters::kubernetes::Cluster;
use tidegate_port::FailureKind;

/// Looks before a test gives up: half a minute.
const LOOKS_MAX: u32 = 3_000;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(at: &Path, args: &[&str]) -> bool {
    Command::new("openssl").current_dir(at).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
fn a_server_is_known_by_the_given_authority_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["server", "other"] {
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        let made = openssl(
            dir.path(),
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=t",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                &key,
                "-out",
                &cert,
            ],
        );
        if !made {
            eprintln!("skipped: no `openssl` that makes certificates");
            return;
        }
    }
    std::fs::write(dir.path().join("object"), "{\"kind\":\"Deployment\"}").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command.current_dir(dir.path()).args(["s_server", "-quiet", "-WWW", "-accept", &address, "-cert", "server.pem", "-key", "server.key"]);
    let _server = Server(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert!((0..LOOKS_MAX).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        TcpStream::connect(&address).is_ok()
    }));
    let get = |ca: Option<&str>, host: &str| {
        let ca = ca.map(|name| dir.path().join(name).display().to_string());
        let cluster = Cluster {
            http: Box::new(CurlTrusting { ca }),
            server: format!("https://{host}:{port}"),
            token: Box::new(|| Ok(Some("tkn-of-the-test".to_owned()))),
        };
        cluster.get("/object")
    };
    assert_eq!(get(Some("server.pem"), "127.0.0.1").unwrap()["kind"], "Deployment");
    // Another authority, those of the system, another name, and a file that is not there.
    for (ca, host) in
        [(Some("other.pem"), "127.0.0.1"), (None, "127.0.0.1"), (Some("server.pem"), "localhost"), (Some("none.pem"), "127.0.0.1")]
    {
        let failure = get(ca, host).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        assert!(failure.to_string().to_lowercase().contains("certificate") && !failure.to_string().contains("tkn-of"), "{ca:?}: {failure}");
    }
}
