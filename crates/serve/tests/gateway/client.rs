//! A small HTTP client that keeps its connection and says honestly what became of a request.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

pub struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
    pub token: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// JSON and what follows it, as the header divides them.
    pub fn parts(&self) -> (serde_json::Value, &[u8]) {
        let (json, rest) = self.body.split_at(self.header("inference-header-content-length").parse().unwrap());
        (serde_json::from_slice(json).unwrap(), rest)
    }

    /// Version and role that answered.
    pub fn who(&self) -> String {
        let json = self.json();
        format!("{}/{}", json["version"].as_str().unwrap_or("?"), json["role"].as_str().unwrap_or("?"))
    }
}

/// What became of a request that got no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nobody accepted the connection: nothing was sent.
    NotConnected,
    /// It was sent and the connection broke.
    Broken,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client { address, sender: None, token: Some(crate::world::TOKEN.to_owned()), headers: vec![] }
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.ask("GET", path, Bytes::new()).await.unwrap()
    }

    pub async fn post(&mut self, path: &str, body: &serde_json::Value) -> Got {
        self.ask("POST", path, body.to_string().into()).await.unwrap()
    }

    pub async fn ask(&mut self, method: &str, path: &str, body: Bytes) -> Result<Got, Lost> {
        if self.sender.as_mut().is_none_or(|s| s.is_closed()) {
            let stream = TcpStream::connect(self.address).await.map_err(|_| Lost::NotConnected)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Lost::NotConnected)?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let mut request = Request::builder().method(method).uri(path).header("host", "test");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let sender = self.sender.as_mut().unwrap();
        sender.ready().await.map_err(|_| Lost::NotConnected)?;
        let answer = sender.send_request(request.body(Full::new(body)).unwrap()).await.map_err(|_| Lost::Broken)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Lost::Broken)?.to_bytes();
        if parts.headers.get("connection").is_some_and(|v| v == "close") {
            self.sender = None;
        }
        Ok(Got { status: parts.status, headers: parts.headers, body })
    }
}
