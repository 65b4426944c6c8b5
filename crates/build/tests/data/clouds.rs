//! Azure's storage by its emulator, Google's by a server of our own: objects are there in DVC's layout, whole, and nothing else.

use crate::oracle::skipped;
use crate::server::Server;
use crate::world::{Dice, World, now, tree};
use base64::Engine as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tidegate_build::data::{GcOptions, SyncOptions};
use tidegate_build::remote::NoProgress;

/// The account that every Azurite has, and its key, which Azure's documentation names.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Emulator {
    child: Child,
    port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    fn start(variable: &str, what: &str, arguments: impl Fn(&str) -> Vec<String>, ready: impl Fn(u16) -> Option<()>) -> Option<Emulator> {
        let Some(program) = std::env::var_os(variable) else {
            skipped(what, variable);
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program).args(arguments(&port.to_string())).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let emulator = Emulator { child, port };
        for _ in 0..600 {
            if ready(port).is_some() {
                return Some(emulator);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{what}: the emulator does not answer")
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Whether a request is answered with success.
fn asked(port: u16, request: &str) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (answer.starts_with("HTTP/1.1 20") || answer.starts_with("HTTP/1.0 20")).then_some(())
}

fn hmac(key: &[u8], text: &str) -> String {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::digest([pad(0x36), text.as_bytes().to_vec()].concat());
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest([pad(0x5c), inner.to_vec()].concat()))
}

fn make_container(port: u16) -> Option<()> {
    let date = jiff::Timestamp::from_millisecond(now().0).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let signed =
        format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/bucket\nrestype:container");
    let key = base64::engine::general_purpose::STANDARD.decode(KEY).unwrap();
    let signature = hmac(&key, &signed);
    let request = format!(
        "PUT /{ACCOUNT}/bucket?restype=container HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-ms-date: {date}\r\nx-ms-version: 2021-08-06\r\nauthorization: SharedKey {ACCOUNT}:{signature}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    asked(port, &request)
}

/// Pushed from one world, pulled into another, asked for, cleaned: with a remote that `configure` makes.
fn round(configure: &dyn Fn(&World)) {
    let (source, target) = (World::new(), World::new());
    tree(&source, &mut Dice::new(21), "data", 3);
    // More than are asked for one by one, and one that goes in parts.
    for n in 0..100 {
        source.write(&format!("data/many/{n}"), n.to_string().as_bytes());
    }
    source.write("data/large", &vec![7; 20 << 20]);
    source.add(&["data"]);
    target.write("data.dvc", source.read("data.dvc").as_bytes());
    configure(&source);
    configure(&target);
    let status = |world: &World| world.repo().cloud_status(&[], &SyncOptions::default()).unwrap();
    assert!(status(&source).values().all(|word| *word == "new") && status(&source).len() > 100);
    assert!(source.push().unwrap() > 100);
    assert_eq!(source.push().unwrap(), 0);
    assert!(status(&source).is_empty());
    assert!(status(&target).values().all(|word| *word == "deleted"));
    target.repo().fetch(&[], &SyncOptions::default(), &NoProgress).unwrap();
    assert!(target.pull().unwrap() == 0);
    assert_eq!(target.status(), json!({}));
    assert_eq!(target.wrong_objects(), Vec::<String>::new());
    // What nothing uses goes from there too; what is used stays.
    let world = World::new();
    world.write("only", b"only");
    world.add(&["only"]);
    configure(&world);
    world.push().unwrap();
    let options = GcOptions { workspace: true, cloud: true, ..GcOptions::default() };
    assert!(world.repo().gc(&options, &NoProgress).unwrap().remote.unwrap() > 100);
    assert!(status(&world).is_empty());
    assert_eq!(world.repo().gc(&options, &NoProgress).unwrap().remote, Some(0));
}

#[test]
fn azure_takes_and_gives_objects() {
    let arguments = |port: &str| {
        words(&format!("--silent --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --blobHost 127.0.0.1 --blobPort {port}"))
    };
    let what = "Azure's storage (azurite-blob)";
    let Some(azurite) = Emulator::start("TIDEGATE_TEST_AZURITE", what, arguments, make_container) else { return };
    let text = format!("AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{}/{ACCOUNT};", azurite.port);
    round(&|world| {
        world.remote("azure://bucket/some/prefix");
        world.repo().remote_modify("store", "connection_string", Some(&text), true).unwrap();
    });
}

/// No emulator of Google's storage that runs here speaks the interface that is used, so this is a server of our own: objects
/// come and go, and nobody asks where a cloud hands out credentials.
#[test]
fn google_takes_and_gives_objects_without_credentials() {
    let server = Server::start();
    let (source, target) = (World::new(), World::new());
    source.write("d/a", b"a");
    source.write("d/b", b"b");
    source.add(&["d"]);
    target.write("d.dvc", source.read("d.dvc").as_bytes());
    for world in [&source, &target] {
        world.remote("gs://bucket/some/prefix");
        world.repo().remote_modify("store", "endpointurl", Some(server.url.trim_end_matches("/store")), false).unwrap();
        world.repo().remote_modify("store", "allow_anonymous_login", Some("true"), false).unwrap();
    }
    assert_eq!(source.push().unwrap(), 3);
    let order = server.order();
    assert!(order.iter().all(|path| path.starts_with("/bucket/some%2Fprefix%2Ffiles%2Fmd5%2F")), "{order:?}");
    assert!(order.last().unwrap().ends_with("%2Edir"), "{order:?}");
    assert_eq!(source.push().unwrap(), 0);
    assert_eq!(target.pull().unwrap(), 3);
    assert_eq!(target.status(), json!({}));
}
