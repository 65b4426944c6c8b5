//! TLS towards clients: HTTP/1.1 and HTTP/2 by agreement, certificates of clients, and a certificate that is renewed under way.

use crate::world::{INFER, TOKEN, World, pool_settings, route, stable};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_serve::{Gateway, GatewayError, GatewaySettings, TlsFiles, WorkerPool};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Certificates that are made for these tests alone.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn files(clients: bool) -> TlsFiles {
    TlsFiles { certificate: fixture("gateway.pem"), key: fixture("gateway.key"), clients: clients.then(|| fixture("clients-ca.pem")) }
}

async fn world(files: TlsFiles) -> World {
    let mut world = World::with(pool_settings(), |settings| settings.tls = Some(files)).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    world
}

/// What a client is asked for: the subject's certificate that the server showed, and the status of a prediction.
async fn ask(world: &World, certificate: bool, http2: bool) -> Result<(CertificateDer<'static>, StatusCode), String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("servers-ca.pem")).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if certificate {
        let chain = vec![CertificateDer::from_pem_file(fixture("client.pem")).unwrap()];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(fixture("client.key")).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await;
    let stream = stream.map_err(|why| why.to_string())?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    let request = Request::post(format!("https://localhost{INFER}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Full::new(Bytes::from_static(b"{\"x\": 1}")))
        .unwrap();
    let answer = if http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let answer = answer.map_err(|why| why.to_string())?;
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    Ok((shown, status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_are_answered_over_tls_in_both_versions_of_http() {
    let world = world(files(false)).await;
    for http2 in [false, true] {
        assert_eq!(ask(&world, false, http2).await.unwrap().1, StatusCode::OK, "HTTP/2: {http2}");
    }
    // Who speaks no TLS is not answered, and keeps nobody from being.
    assert!(world.client().ask("GET", "/v2/health/live", Bytes::new()).await.is_err());
    assert_eq!(ask(&world, false, false).await.unwrap().1, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_clients_must_show_a_certificate_who_has_none_is_not_let_in() {
    let world = world(files(true)).await;
    assert_eq!(ask(&world, true, false).await.unwrap().1, StatusCode::OK);
    assert!(ask(&world, false, false).await.is_err());
    assert_eq!(world.gateway.take_counts("late-arrival").remove(0).live.requests, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let own = TlsFiles { certificate: dir.path().join("c.pem"), key: dir.path().join("k.pem"), clients: None };
    let put = |name: &str| {
        std::fs::copy(fixture(&format!("{name}.pem")), &own.certificate).unwrap();
        std::fs::copy(fixture(&format!("{name}.key")), &own.key).unwrap();
    };
    put("gateway");
    let world = world(own.clone()).await;
    let first = ask(&world, false, false).await.unwrap().0;
    std::fs::write(&own.certificate, "no certificate").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(ask(&world, false, false).await.unwrap(), (first.clone(), StatusCode::OK));
    put("renewed");
    let patience = 200;
    for _ in 0..patience {
        if ask(&world, false, false).await.unwrap().0 != first {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the renewed certificate is not shown");
}

#[tokio::test]
async fn files_that_are_no_certificates_are_refused_by_name() {
    for (change, says) in [
        (TlsFiles { certificate: fixture("none.pem"), ..files(false) }, "read the certificates of"),
        (TlsFiles { certificate: fixture("gateway.key"), ..files(false) }, "there is none"),
        (TlsFiles { key: fixture("renewed.key"), ..files(false) }, "use the certificate"),
        (TlsFiles { clients: Some(fixture("client.key")), ..files(false) }, "there is none"),
    ] {
        let settings = GatewaySettings { tls: Some(change), ..GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec![], 1) };
        let (pool, _events) = WorkerPool::new(pool_settings());
        match Gateway::start(settings, pool).await {
            Err(GatewayError::Tls { why }) => assert!(why.contains(says), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
