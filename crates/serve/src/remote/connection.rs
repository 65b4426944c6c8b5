//! Connections to one server: HTTP/1.1, one request at a time on each, kept open between requests.
//!
//! Written by hand and not by a client library, because a request then costs one write and one read and no task of its own; what is read
//! is held to the same limits as what clients send.

use super::upstream::{Address, Upstream};
use crate::frame::Body;
use crate::language::{Shut, Tap};
use crate::limits;
use bytes::{Buf as _, Bytes, BytesMut};
use hyper::StatusCode;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes that are made room for before an answer is read.
const READ_BYTES: usize = 8 * 1024;
/// Room for answers that an idle connection keeps.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

/// A request as it goes out: its head, to the empty line, and its body.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub head: Bytes,
    pub body: Body,
}

/// An answer: read whole, or passed on while it came.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// What it says of the length of its JSON.
    pub json_bytes: Option<Vec<u8>>,
    /// Empty where it was passed on.
    pub body: Bytes,
    pub passed_on: bool,
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("cannot connect to {address}: {why}")]
    Connect { address: String, why: String },
    #[error("{address} broke the connection off: {why}")]
    Broken { address: String, why: String },
    #[error("the answer of {address} is longer than {max} bytes", max = limits::FRAME_BYTES_MAX)]
    Long { address: String },
    #[error("the client of the stream has left")]
    Left,
}

/// What became of one exchange.
enum Failure {
    /// The connection ended before one byte of an answer.
    Unanswered(io::Error),
    Broken(io::Error),
    Long,
    /// Who the answer was passed on to is gone.
    Left,
}

/// The way to one server.
pub struct Connections {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Open>>,
}

/// What TLS connections of an upstream go by; none where no address wants it.
///
/// # Errors
/// When certificates cannot be read.
pub fn connector(upstream: &Upstream) -> Result<Option<TlsConnector>, String> {
    if !upstream.active.iter().chain(&upstream.standby).any(|a| a.tls) {
        return Ok(None);
    }
    let mut roots = rustls::RootCertStore::empty();
    match &upstream.ca {
        Some(path) => {
            let unreadable = |why: String| format!("upstream {}: read the certificates of {}: {why}", upstream.name, path.display());
            let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?;
            for one in all {
                roots.add(one.map_err(|e| unreadable(e.to_string()))?).map_err(|e| unreadable(e.to_string()))?;
            }
        }
        None => {
            // Single certificates of the system's store that cannot be read are none to trust.
            let (_added, _unread) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(format!("upstream {}: no authority is known that could vouch for a server: give `ca`", upstream.name));
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("upstream {}: {e}", upstream.name))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

impl Connections {
    /// The way to `address`; nothing is connected yet.
    ///
    /// # Errors
    /// When the host's name cannot stand in a certificate.
    pub fn new(address: Address, tls: Option<&TlsConnector>) -> Result<Connections, String> {
        let tls = match (address.tls, tls) {
            (true, Some(connector)) => {
                let name = ServerName::try_from(address.host.clone()).map_err(|e| format!("{address}: {e}"))?;
                Some((connector.clone(), name))
            }
            _ => None,
        };
        Ok(Connections { address, tls, idle: Mutex::default() })
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and reads the answer. Dropped before its end it closes its connection, so that the server may stop too.
    ///
    /// A connection that was kept may have been closed by the server just now: then the request goes out once more, on a new one. Not one of
    /// a sequence: it may have been carried out.
    ///
    /// An answer that is a stream goes through the `tap`, where there is one.
    pub async fn send(&self, request: &Outgoing, mut tap: Option<&mut Tap<'_>>) -> Result<Reply, Lost> {
        if let Some(open) = self.kept() {
            match self.exchange(open, request, tap.as_deref_mut()).await {
                Err(Failure::Unanswered(_)) if !request.body.may_be_of_sequence() => self.forget(),
                ended => return ended.map_err(|failure| self.lost(failure)),
            }
        }
        let open = self.connect().await?;
        self.exchange(open, request, tap).await.map_err(|failure| self.lost(failure))
    }

    /// A connection on which nothing came since its last answer: what did would be taken for the next one.
    fn kept(&self) -> Option<Open> {
        loop {
            let open = self.idle().pop()?;
            if open.is_quiet() {
                return Some(open);
            }
        }
    }

    async fn exchange(&self, mut open: Open, request: &Outgoing, tap: Option<&mut Tap<'_>>) -> Result<Reply, Failure> {
        let (reply, keep) = open.exchange(request, tap).await?;
        if keep {
            self.keep(open);
        }
        Ok(reply)
    }

    fn lost(&self, failure: Failure) -> Lost {
        let address = self.address.to_string();
        match failure {
            Failure::Unanswered(error) | Failure::Broken(error) => Lost::Broken { address, why: error.to_string() },
            Failure::Long => Lost::Long { address },
            Failure::Left => Lost::Left,
        }
    }

    /// Keeps a connection for the next request.
    fn keep(&self, mut open: Open) {
        // One long answer must not take its memory for as long as the connection lives.
        if open.buffer.capacity() > BUFFER_KEPT_BYTES_MAX {
            open.buffer = BytesMut::new();
        }
        let mut idle = self.idle();
        if idle.len() < limits::REPLICA_CONNECTIONS_KEPT_MAX {
            idle.push(open);
        }
    }

    /// Closes what is kept: the server is gone, or was.
    pub fn forget(&self) {
        self.idle().clear();
    }

    async fn connect(&self) -> Result<Open, Lost> {
        let failed = |error: io::Error| Lost::Connect { address: self.address.to_string(), why: error.to_string() };
        let connected = async {
            let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Open::new(match &self.tls {
                None => Stream::Plain(stream),
                Some((connector, name)) => Stream::Tls(Box::new(connector.connect(name.clone(), stream).await?)),
            }))
        };
        match tokio::time::timeout(Duration::from_millis(limits::CONNECT_MS_MAX), connected).await {
            Ok(connected) => connected.map_err(failed),
            Err(_) => Err(failed(io::Error::other(format!("not within {} ms", limits::CONNECT_MS_MAX)))),
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection; what was read and not used yet is nothing between two requests.
struct Open {
    stream: Stream,
    buffer: BytesMut,
}

/// How the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    /// With the connection.
    UntilClosed,
}

struct Head {
    status: StatusCode,
    json_bytes: Option<Vec<u8>>,
    length: Length,
    /// Whether it is a stream of events.
    events: bool,
    keep: bool,
}

impl Open {
    fn new(stream: Stream) -> Open {
        Open { stream, buffer: BytesMut::new() }
    }

    /// Whether nothing was sent by the server, not even the end.
    fn is_quiet(&self) -> bool {
        let stream = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        // The socket does not block: where nothing waits to be read, it says so.
        let waiting = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
        self.buffer.is_empty() && waiting.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// One request, one answer; and whether the connection may be used again.
    async fn exchange(&mut self, request: &Outgoing, tap: Option<&mut Tap<'_>>) -> Result<(Reply, bool), Failure> {
        let Open { stream, buffer } = self;
        match stream {
            Stream::Plain(stream) => exchange(stream, buffer, request, tap).await,
            Stream::Tls(stream) => exchange(stream.as_mut(), buffer, request, tap).await,
        }
    }
}

async fn exchange<S>(stream: &mut S, buffer: &mut BytesMut, request: &Outgoing, tap: Option<&mut Tap<'_>>) -> Result<(Reply, bool), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    buffer.reserve(READ_BYTES);
    // A server may refuse a request before it has read all of it, and close: then its answer is there to be read.
    let written = write(stream, request).await;
    let head = loop {
        match parse(buffer)? {
            Some(head) if head.status.is_informational() => {}
            Some(head) => break head,
            None => match stream.read_buf(buffer).await {
                Ok(0) if buffer.is_empty() => {
                    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without an answer");
                    return Err(Failure::Unanswered(written.err().unwrap_or_else(closed)));
                }
                Ok(0) => return Err(cut()),
                Ok(_) => {}
                Err(error) if buffer.is_empty() => return Err(Failure::Unanswered(error)),
                Err(error) => return Err(Failure::Broken(error)),
            },
        }
    };
    let tap = tap.filter(|_| head.events && head.status == StatusCode::OK);
    let passed_on = tap.is_some();
    let body = match tap {
        Some(tap) => {
            let mut length = head.length;
            while let Some(piece) = piece(stream, buffer, &mut length).await? {
                if piece.len() > limits::STREAM_PIECE_BYTES_MAX {
                    return Err(Failure::Long);
                }
                tap.take(&piece).await.map_err(|shut| match shut {
                    Shut::Left => Failure::Left,
                    Shut::Unreadable(why) => unreadable(why),
                })?;
            }
            Bytes::new()
        }
        None => whole(stream, buffer, head.length).await?,
    };
    // What follows an answer that nobody asked for would be taken for the next one.
    let keep = head.keep && written.is_ok() && buffer.is_empty() && head.length != Length::UntilClosed;
    Ok((Reply { status: head.status, json_bytes: head.json_bytes, body, passed_on }, keep))
}

/// A body, read to its end.
async fn whole<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, mut length: Length) -> Result<Bytes, Failure> {
    if let Length::Known(bytes) = length {
        if bytes > limits::FRAME_BYTES_MAX {
            return Err(Failure::Long);
        }
        fill(stream, buffer, bytes).await?;
        return Ok(buffer.split_to(bytes).freeze());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = piece(stream, buffer, &mut length).await? {
        if piece.len().saturating_add(body.len()) > limits::FRAME_BYTES_MAX {
            return Err(Failure::Long);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The next piece of a body; none at its end.
async fn piece<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, length: &mut Length) -> Result<Option<Bytes>, Failure> {
    if *length == Length::Chunked {
        return chunk(stream, buffer).await;
    }
    if *length == Length::Known(0) {
        return Ok(None);
    }
    if buffer.is_empty() {
        buffer.reserve(READ_BYTES);
        if stream.read_buf(buffer).await.map_err(Failure::Broken)? == 0 {
            return if *length == Length::UntilClosed { Ok(None) } else { Err(cut()) };
        }
    }
    let bytes = match length {
        Length::Known(left) => {
            let bytes = buffer.len().min(*left);
            *left -= bytes;
            bytes
        }
        Length::UntilClosed | Length::Chunked => buffer.len(),
    };
    Ok(Some(buffer.split_to(bytes).freeze()))
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, request: &Outgoing) -> io::Result<()> {
    let (mut head, mut body) = (request.head.clone(), request.body.bytes.clone());
    while !head.is_empty() || !body.is_empty() {
        match stream.write_vectored(&[IoSlice::new(&head), IoSlice::new(&body)]).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                let of_head = written.min(head.len());
                head.advance(of_head);
                body.advance(written - of_head);
            }
        }
    }
    stream.flush().await
}

fn cut() -> Failure {
    Failure::Broken(io::Error::new(io::ErrorKind::UnexpectedEof, "its answer is cut short"))
}

fn unreadable(why: impl std::fmt::Display) -> Failure {
    Failure::Broken(io::Error::new(io::ErrorKind::InvalidData, format!("its answer cannot be read: {why}")))
}

/// Reads until so many bytes are there.
async fn fill<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, bytes: usize) -> Result<(), Failure> {
    buffer.reserve(bytes.saturating_sub(buffer.len()));
    while buffer.len() < bytes {
        if stream.read_buf(buffer).await.map_err(Failure::Broken)? == 0 {
            return Err(cut());
        }
    }
    Ok(())
}

/// Takes the head of an answer off the buffer; none when it is not all there.
fn parse(buffer: &mut BytesMut) -> Result<Option<Head>, Failure> {
    let mut headers = [const { MaybeUninit::uninit() }; limits::HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let bytes = match parser.parse_response_with_uninit_headers(&mut response, buffer, &mut headers).map_err(unreadable)? {
        httparse::Status::Complete(bytes) => bytes,
        httparse::Status::Partial if buffer.len() > limits::HEADER_BYTES_MAX => return Err(unreadable("its head is too long")),
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| unreadable("it has no status"))?;
    let mut head = Head { status, json_bytes: None, length: Length::UntilClosed, events: false, keep: response.version == Some(1) };
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let said = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            let said = said.ok_or_else(|| unreadable("its content-length is no number"))?;
            match head.length {
                Length::Known(before) if before != said => return Err(unreadable("it has two lengths")),
                Length::Chunked => {}
                _ => head.length = Length::Known(said),
            }
        } else if is("transfer-encoding") {
            if !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(unreadable("its transfer-encoding is not `chunked`"));
            }
            head.length = Length::Chunked;
        } else if is("connection") {
            let mut words = header.value.split(|byte| *byte == b',');
            head.keep &= !words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
        } else if is("content-type") {
            let kind = header.value.split(|byte| *byte == b';').next().unwrap_or_default();
            head.events = kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream");
        } else if is("inference-header-content-length") {
            head.json_bytes = Some(header.value.to_vec());
        }
    }
    if status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        head.length = Length::Known(0);
    }
    buffer.advance(bytes);
    Ok(Some(head))
}

/// The next chunk of a body (RFC 9112, section 7.1); none at its end, where trailers are passed over.
async fn chunk<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    const LINE_BYTES_MAX: usize = 4_096;
    let (start, bytes) = loop {
        if buffer.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return Err(unreadable("a chunk has no length"));
        }
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete(found)) if found.0 <= LINE_BYTES_MAX => break found,
            Ok(httparse::Status::Partial) if buffer.len() <= LINE_BYTES_MAX => fill(stream, buffer, buffer.len() + 1).await?,
            _ => return Err(unreadable("a chunk has no length")),
        }
    };
    buffer.advance(start);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes > limits::FRAME_BYTES_MAX {
        return Err(Failure::Long);
    }
    if bytes > 0 {
        fill(stream, buffer, bytes + 2).await?;
        let chunk = buffer.split_to(bytes).freeze();
        return if buffer.split_to(2).as_ref() == b"\r\n" { Ok(Some(chunk)) } else { Err(unreadable("a chunk is longer than it says")) };
    }
    // Trailers end with an empty line, as a head does.
    loop {
        let line = buffer.windows(2).position(|two| two == b"\r\n");
        match line {
            Some(at) => {
                buffer.advance(at + 2);
                if at == 0 {
                    return Ok(None);
                }
            }
            None if buffer.len() > limits::HEADER_BYTES_MAX => return Err(unreadable("its trailers are too long")),
            None => fill(stream, buffer, buffer.len() + 1).await?,
        }
    }
}

#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(test)]
mod tests;
