//! A small HTTP server that keeps what is put, and misbehaves on purpose.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What it says of the version of each object.
const VERSION: &str = "etag: \"1\"\r\nlast-modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

/// How it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// The first so many requests for an object are answered with 500.
    Refuses(usize),
    /// Sends a part of each object and then nothing, so many times.
    Stalls(usize),
    /// Ends the connection in the middle of each object, so many times.
    BreaksOff(usize),
    /// Sends less than it has, and says that this is all.
    Truncates,
    /// Sends other bytes.
    Flips,
    /// Sends each request on: to itself under another path, so many times.
    SendsOn(usize),
    /// Sends each request on to another place: the port of another server here.
    SendsAway(u16),
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Vec<u8>>,
    order: Vec<String>,
    requests: usize,
}

pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
    fault: Arc<Mutex<Fault>>,
    faults: Arc<AtomicUsize>,
    pub gets: Arc<AtomicUsize>,
    pub puts: Arc<AtomicUsize>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/store", listener.local_addr().unwrap());
        let server = Server {
            url,
            state: Arc::default(),
            fault: Arc::new(Mutex::new(Fault::None)),
            faults: Arc::default(),
            gets: Arc::default(),
            puts: Arc::default(),
        };
        let (state, fault, faults) = (Arc::clone(&server.state), Arc::clone(&server.fault), Arc::clone(&server.faults));
        let (gets, puts) = (Arc::clone(&server.gets), Arc::clone(&server.puts));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, fault, faults) = (Arc::clone(&state), Arc::clone(&fault), Arc::clone(&faults));
                let (gets, puts) = (Arc::clone(&gets), Arc::clone(&puts));
                std::thread::spawn(move || {
                    let _ = serve(stream, &state, &fault, &faults, &gets, &puts);
                });
            }
        });
        server
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
        self.faults.store(0, Ordering::SeqCst);
        self.gets.store(0, Ordering::SeqCst);
        self.puts.store(0, Ordering::SeqCst);
    }

    /// Requests of any kind.
    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    /// Objects in the order in which they came.
    pub fn order(&self) -> Vec<String> {
        self.state.lock().unwrap().order.clone()
    }
}

fn serve(
    stream: TcpStream,
    state: &Mutex<State>,
    fault: &Mutex<Fault>,
    faults: &AtomicUsize,
    gets: &AtomicUsize,
    puts: &AtomicUsize,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
        let (mut length, mut from, mut chunked) = (0, 0, false);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
            if let Some(value) = line.strip_prefix("range: bytes=") {
                from = value.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        while chunked {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut part = vec![0; size + 2];
            reader.read_exact(&mut part)?;
            body.extend_from_slice(&part[..size]);
            chunked = size > 0;
        }
        state.lock().unwrap().requests += 1;
        let now = *fault.lock().unwrap();
        if let Fault::Refuses(times) = now
            && faults.fetch_add(1, Ordering::SeqCst) < times
        {
            writer.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops")?;
            continue;
        }
        if sent_on(&mut writer, &path, now, faults)? {
            continue;
        }
        let found = state.lock().unwrap().objects.get(&path).cloned();
        match (method.as_str(), found) {
            ("PUT", _) => {
                puts.fetch_add(1, Ordering::SeqCst);
                let mut state = state.lock().unwrap();
                state.order.push(path.clone());
                state.objects.insert(path, body);
                writer.write_all(b"HTTP/1.1 201 Created\r\netag: \"1\"\r\ncontent-length: 0\r\n\r\n")?;
            }
            ("HEAD", Some(object)) => write!(writer, "HTTP/1.1 200 OK\r\n{VERSION}content-length: {}\r\n\r\n", object.len())?,
            ("GET", Some(object)) => {
                gets.fetch_add(1, Ordering::SeqCst);
                if !answer(&mut writer, &object, from, now, faults)? {
                    return Ok(());
                }
            }
            ("HEAD", None) => writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?,
            _ => writer.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno")?,
        }
    }
}

/// Whether the request was answered by naming another place.
fn sent_on(writer: &mut TcpStream, path: &str, fault: Fault, faults: &AtomicUsize) -> std::io::Result<bool> {
    let to = match fault {
        Fault::SendsOn(times) if faults.fetch_add(1, Ordering::SeqCst) < times => path.to_owned(),
        Fault::SendsAway(port) => format!("http://127.0.0.1:{port}{path}"),
        _ => return Ok(false),
    };
    write!(writer, "HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").map(|()| true)
}

/// False when the connection is over.
fn answer(writer: &mut TcpStream, object: &[u8], from: usize, fault: Fault, faults: &AtomicUsize) -> std::io::Result<bool> {
    let rest = &object[from.min(object.len())..];
    let mut bytes = rest.to_vec();
    match fault {
        Fault::Truncates => bytes.truncate(rest.len() / 2),
        Fault::Flips if !bytes.is_empty() => bytes[0] ^= 1,
        _ => {}
    }
    let head = if from > 0 {
        let last = object.len().max(1) - 1;
        format!("HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{last}/{}\r\n", object.len())
    } else {
        "HTTP/1.1 200 OK\r\n".to_owned()
    };
    write!(writer, "{head}{VERSION}content-length: {}\r\n\r\n", bytes.len())?;
    let cut_short = |times: usize| faults.fetch_add(1, Ordering::SeqCst) < times;
    match fault {
        Fault::Stalls(times) if cut_short(times) => {
            writer.write_all(&bytes[..bytes.len() / 2])?;
            writer.flush()?;
            // Until the other side has had enough of it.
            let _ = writer.read(&mut [0]);
            Ok(false)
        }
        Fault::BreaksOff(times) if cut_short(times) => {
            writer.write_all(&bytes[..bytes.len() / 2])?;
            Ok(false)
        }
        _ => writer.write_all(&bytes).map(|()| true),
    }
}
