//! Data in an S3-compatible server (moto): checked where they lie, with the credentials of DVC's configuration.

use crate::world::{Server, World, free_port, in_order};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidegate_data::{Column, Table, write_parquet};

struct Moto {
    _server: Server,
    port: u16,
}

impl Moto {
    fn start() -> Option<Moto> {
        let Some(program) = std::env::var_os("TIDEGATE_TEST_MOTO").map(PathBuf::from) else {
            eprintln!("skipped: data in S3: set TIDEGATE_TEST_MOTO to a moto_server");
            return None;
        };
        let port = free_port();
        let (mut command, port_text) = (Command::new(program), port.to_string());
        let moto = Moto { _server: Server::start(command.args(["-H", "127.0.0.1", "-p", &port_text])), port };
        for _ in 0..600 {
            if moto.put("bucket", b"").is_some() {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not answer");
    }

    fn put(&self, path: &str, body: &[u8]) -> Option<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    }
}

/// Goes between, and counts what comes back.
fn counting(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (Ok(server), counted) = (TcpStream::connect(("127.0.0.1", to)), counted.clone()) else { return };
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let (mut server, mut client, mut bytes) = (server, client, vec![0; 1 << 16]);
                while let Ok(n @ 1..) = server.read(&mut bytes) {
                    counted.fetch_add(n, Ordering::SeqCst);
                    if client.write_all(&bytes[..n]).is_err() {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    (port, came)
}

fn world(port: u16, data: &str, contract: &str) -> World {
    let config = format!("version: 1\nworkspace: stored\ndata:\n{data}");
    let world = World::with(&[("tidegate.yaml", &config), ("contract.yaml", contract)]);
    std::fs::create_dir(world.path(".dvc")).unwrap();
    let remote = format!(
        "['remote \"store\"']\n    url = s3://bucket/data\n    endpointurl = http://127.0.0.1:{port}\n    access_key_id = test\n    secret_access_key = quiet\n"
    );
    world.write(".dvc/config", &remote);
    world
}

#[test]
fn a_dataset_is_checked_where_it_lies() {
    let Some(moto) = Moto::start() else { return };
    let (port, came) = counting(moto.port);
    let (rows, local) = (20_000_u32, tempfile::tempdir().unwrap());
    // Text that does not compress: the column that nobody asks for is nearly all of the file.
    let noise = |row: u32| (0..32).map(|part| hex(row, part)).collect::<String>();
    let table = |from: u32| Table {
        columns: [
            ("id".to_owned(), Column::Int((from..from + rows).map(|n| Some(i64::from(n))).collect())),
            ("noise".to_owned(), Column::Text((from..from + rows).map(|n| Some(noise(n))).collect())),
        ]
        .into_iter()
        .collect(),
        rows: rows as usize,
    };
    let mut whole = 0;
    for (month, from) in [(1, 0), (2, rows)] {
        let path = local.path().join("part.parquet");
        write_parquet(&path, &table(from)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        whole += bytes.len();
        moto.put(&format!("bucket/data/flights/month={month}/part-0.parquet"), &bytes).unwrap();
    }
    moto.put("bucket/data/flights/_SUCCESS", b"").unwrap();
    moto.put("bucket/data/words.csv", b"word,n\nfirst,1\nother,2\n").unwrap();
    moto.put("bucket/data/ragged.csv", b"word,n\nfirst,1\nother\n").unwrap();
    moto.put("bucket/data/cut.parquet", b"PAR1 and then nothing more").unwrap();
    let data = "  flights: { path: remote://store/flights, contract: contract.yaml }\n";
    let world = world(
        port,
        data,
        "dataset: flights\ntable: { row_count: 40000 }\ncolumns:\n  id: { unique: true, between: [0, 39999] }\n  month: { in_set: [1, 2] }\n",
    );
    in_order(&world.run(&["check"]).well().out, &["flights passed", "4 of 4 expectations hold on 40000 rows"]);
    let read = came.load(Ordering::SeqCst);
    assert!(whole > 10_000_000 && read * 8 < whole, "{read} of {whole} bytes came: the other column was left where it is");
    // Recorded by names, sizes and versions; another object is other data.
    world.run(&["check", "--record"]).well();
    world.write("words.yaml", "dataset: words\ncolumns:\n  word: { not_null: true }\n  n: { between: [1, 2] }\n");
    let one = |address: &str| world.run(&["check", "--data", address, "--contract", "words.yaml"]);
    in_order(&one("remote://store/words.csv").well().out, &["words passed", "2 of 2 expectations hold on 2 rows"]);
    one("remote://store/ragged.csv").fails(3, &["remote://store/ragged.csv", "line 3 has 1 fields, the first line has 2"]);
    one("remote://store/cut.parquet")
        .fails(3, &["remote://store/cut.parquet", "the Parquet file is cut short", "does not end with `PAR1`"]);
    one("remote://store/nothing.csv").fails(4, &["remote://store/nothing.csv", "there is no such file"]);
    one("remote://nobody/words.csv").fails(2, &["nobody"]);
    one("s3://bucket/data/words.csv").fails(2, &["no credentials"]);
    one("ftp://bucket/words.csv").fails(2, &["ftp:// is not supported"]);
    in_order(&world.run(&["profile", "remote://store/words.csv"]).well().out, &["dataset: \"words\"", "row_count"]);
    for said in [one("remote://store/nothing.csv"), one("s3://bucket/data/words.csv")] {
        assert!(!said.err.contains("quiet"), "{said:?}");
    }
    world.is_clean();
    drop(moto);
    one("remote://store/words.csv").fails(3, &["remote://store/words.csv", "look at the address, the credentials and the network"]);
}

/// Sixteen hexadecimal digits that look like chance.
fn hex(row: u32, part: u32) -> String {
    let mut x = (u64::from(row) << 32 | u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", x ^ (x >> 31))
}

#[test]
fn addresses_in_tidegate_yaml_have_a_scheme_that_is_known() {
    let world =
        World::with(&[("tidegate.yaml", "version: 1\nworkspace: w\ndata:\n  a: { path: 'ftp://host/x' }\n  b: { path: 's3://' }\n")]);
    world.run(&["config", "check"]).fails(2, &["address `ftp://host/x` begins with none of `s3://`", "address `s3://` names nothing"]);
}
