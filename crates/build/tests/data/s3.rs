//! An S3-compatible server: moved with one, taken with the other. The server is moto, DVC the one of its environment.

use crate::oracle::{Oracle, moto};
use crate::world::{Dice, World, tree};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tidegate_build::data::{GcOptions, SyncOptions};
use tidegate_build::remote::NoProgress;

struct Moto {
    child: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start(program: &std::path::Path) -> Moto {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Moto { child, port };
        for _ in 0..600 {
            if moto.make_bucket().is_some() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not answer");
    }

    fn make_bucket(&self) -> Option<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = "PUT /bucket HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    }

    fn remote(&self, world: &World) {
        world.remote("s3://bucket/some/prefix");
        world.repo().remote_modify("store", "endpointurl", Some(&format!("http://127.0.0.1:{}", self.port)), false).unwrap();
    }
}

#[test]
fn s3_is_shared_with_dvc() {
    let Some((program, python)) = moto() else { return };
    let moto = Moto::start(&program);
    let mut dvc = Oracle::start(&python);
    for (seed, we_push) in [(11, true), (12, false)] {
        let (source, target) = (World::new(), World::new());
        tree(&source, &mut Dice::new(seed), "data", 3);
        // More than are asked for one by one, and one that goes in parts.
        for n in 0..120 {
            source.write(&format!("data/many/{n}"), format!("{seed} {n}").as_bytes());
        }
        let large = vec![u8::try_from(seed).unwrap(); 20 << 20];
        source.write("data/large", &large);
        source.add(&["data"]);
        target.write("data.dvc", source.read("data.dvc").as_bytes());
        moto.remote(&source);
        moto.remote(&target);
        if we_push {
            assert!(source.push().unwrap() > 100);
            assert_eq!(source.push().unwrap(), 0);
            assert_eq!(dvc.json(source.root(), &["status", "-c", "--json"]), json!({}));
            dvc.ok(target.root(), &["pull", "-q"]);
        } else {
            dvc.ok(source.root(), &["push", "-q"]);
            assert!(source.repo().cloud_status(&[], &SyncOptions::default()).unwrap().is_empty());
            assert!(target.pull().unwrap() > 100);
        }
        assert_eq!(target.status(), json!({}));
        assert_eq!(dvc.json(target.root(), &["status", "--json"]), json!({}));
        assert_eq!(target.wrong_objects(), Vec::<String>::new());
    }
    // What nothing uses goes from there too; what is used stays.
    let world = World::new();
    world.write("only", b"only");
    world.add(&["only"]);
    moto.remote(&world);
    world.push().unwrap();
    let options = GcOptions { workspace: true, cloud: true, ..GcOptions::default() };
    let report = world.repo().gc(&options, &NoProgress).unwrap();
    assert!(report.remote.unwrap() > 200);
    assert!(world.repo().cloud_status(&[], &SyncOptions::default()).unwrap().is_empty());
    assert_eq!(world.repo().gc(&options, &NoProgress).unwrap().remote, Some(0));
}

/// Goes between: counts what is sent, and breaks the connection once in the middle of the second part.
fn breaking(to: u16, sent: &Arc<AtomicUsize>, broken: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sent, broken) = (Arc::clone(sent), Arc::clone(broken));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let (sent, broken) = (Arc::clone(&sent), Arc::clone(&broken));
            std::thread::spawn(move || pump(client, server, &sent, &broken));
        }
    });
    port
}

fn pump(mut client: TcpStream, mut server: TcpStream, sent: &AtomicUsize, broken: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    let mut of_second = 0;
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        sent.fetch_add(n, Ordering::SeqCst);
        let second = buffer[..n].windows(13).any(|w| w == b"partNumber=2&");
        of_second = if second || of_second > 0 { of_second + n } else { 0 };
        if of_second > 4 << 20 && !broken.swap(true, Ordering::SeqCst) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
        if server.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

#[test]
fn an_upload_that_breaks_off_sends_one_part_again() {
    let Some((program, _)) = moto() else { return };
    let moto = Moto::start(&program);
    let (sent, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let port = breaking(moto.port, &sent, &broken);
    let world = World::new();
    let size = 40 << 20;
    world.write("large", &vec![3; size]);
    world.add(&["large"]);
    moto.remote(&world);
    world.repo().remote_modify("store", "endpointurl", Some(&format!("http://127.0.0.1:{port}")), false).unwrap();
    assert_eq!(world.push().unwrap(), 1);
    assert!(broken.load(Ordering::SeqCst), "the connection was broken");
    // At most one part of 8 MiB, and the heads of a few requests.
    let more = sent.load(Ordering::SeqCst) - size;
    assert!(more < (8 << 20) + (64 << 10), "{more} bytes more than the object has");
    world.remove("large");
    world.remove(".dvc/cache");
    assert_eq!(world.pull().unwrap(), 1);
    assert_eq!(world.wrong_objects(), Vec::<String>::new());
}
