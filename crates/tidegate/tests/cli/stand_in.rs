//! A stand-in of a service that is asked over HTTP: it answers as it is told to, and keeps what came.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Taken {
    pub line: String,
    pub headers: Vec<String>,
    pub bytes: Vec<u8>,
    /// What it is as JSON; null where it is none.
    pub body: Value,
}

impl Taken {
    /// One from a connection; none where whoever connected asks nothing.
    fn read(stream: &TcpStream) -> Option<Taken> {
        let mut reader = BufReader::new(stream);
        let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let line = lines.next()?;
        let headers: Vec<String> = lines.collect();
        let length = headers.iter().find_map(|header| header.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut bytes = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut bytes).ok()?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Some(Taken { line, headers, bytes, body })
    }

    /// All of it.
    pub fn text(&self) -> String {
        format!("{}\r\n{}\r\n\r\n{}", self.line, self.headers.join("\r\n"), String::from_utf8_lossy(&self.bytes))
    }
}

/// It answers one request after the other, each on a connection of its own.
#[derive(Clone)]
pub struct StandIn {
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl StandIn {
    /// Told how many came before, and what came, `answer` says with which status and which body it is answered.
    pub fn start(mut answer: impl FnMut(usize, &Taken) -> (u16, String) + Send + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stand_in = StandIn { port: listener.local_addr().unwrap().port(), taken: Arc::default() };
        let kept = stand_in.taken.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some(taken) = Taken::read(&stream) else { continue };
                let (status, body) = {
                    let mut kept = kept.lock().unwrap();
                    let answer = answer(kept.len(), &taken);
                    kept.push(taken);
                    answer
                };
                let length = body.len();
                // Whoever has gone wants no answer.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
            }
        });
        stand_in
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What came.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}
