//! The gateway's end of one worker's connection: many requests in flight, each waiting for its own answer.
//!
//! A request is written by the task that asks, straight into the socket; only what the socket does not take at once
//! is left to the writing task. One reading task hands answers to those who wait. When the connection ends, everyone
//! who waits learns it at once.

use crate::clock;
use crate::frame::{Answer, Body, Frame, FrameError, Hello, ask_head, take};
use crate::limits::{WORKER_BACKLOG_BYTES_MAX, WORKER_QUEUE_MAX};
use bytes::{Buf, BytesMut};
use std::collections::HashMap;
use std::io::{ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The connection has ended.
    Closed,
    /// Too many requests wait in this worker.
    Full,
    /// The request is longer than a frame.
    Long,
}

#[derive(Debug)]
struct Shared {
    open: bool,
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    backlog: BytesMut,
    /// Requests sent and not answered, those included whose asker has given up.
    owed: u64,
    /// When the last answer came, or the first of those owed was asked for.
    progress: Instant,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    /// A second handle to the same socket, to end it while others read and write.
    socket: std::os::unix::net::UnixStream,
    shared: Mutex<Shared>,
    write: Notify,
    ended: Notify,
}

/// A request that was sent; its answer comes through [`Ticket::answer`].
#[derive(Debug)]
pub struct Ticket {
    link: Arc<Link>,
    number: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Ticket {
    /// The answer; none when the connection ended before it came.
    pub async fn answer(mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Whoever stops waiting frees the place; a late answer finds nobody.
        self.link.shared().waiting.remove(&self.number);
    }
}

impl Link {
    /// A link over `socket`, whose two tasks the caller runs: [`Link::read`] and [`Link::write`].
    pub fn new(socket: std::os::unix::net::UnixStream) -> std::io::Result<Arc<Link>> {
        socket.set_nonblocking(true)?;
        let stream = UnixStream::from_std(socket.try_clone()?)?;
        let shared = Shared { open: true, next: 0, waiting: HashMap::new(), backlog: BytesMut::new(), owed: 0, progress: clock::now() };
        Ok(Arc::new(Link { stream, socket, shared: Mutex::new(shared), write: Notify::new(), ended: Notify::new() }))
    }

    /// The state is sound between any two lines that hold the lock, so a panic elsewhere does not spoil it.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request.
    pub fn ask(self: &Arc<Self>, body: &Body) -> Result<Ticket, NotSent> {
        let (sender, answer) = oneshot::channel();
        let mut shared = self.shared();
        if !shared.open {
            return Err(NotSent::Closed);
        }
        if shared.waiting.len() >= WORKER_QUEUE_MAX || shared.backlog.len() > WORKER_BACKLOG_BYTES_MAX {
            return Err(NotSent::Full);
        }
        let number = shared.next;
        let head = ask_head(number, body).map_err(|_| NotSent::Long)?;
        let body = &body.bytes;
        shared.next += 1;
        if shared.owed == 0 {
            shared.progress = clock::now();
        }
        shared.owed += 1;
        shared.waiting.insert(number, sender);
        let written = if shared.backlog.is_empty() { self.write_now(&head, body) } else { 0 };
        if written < head.len() + body.len() {
            shared.backlog.extend_from_slice(head.get(written..).unwrap_or_default());
            shared.backlog.extend_from_slice(body.get(written.saturating_sub(head.len())..).unwrap_or_default());
            self.write.notify_one();
        }
        Ok(Ticket { link: Arc::clone(self), number, answer })
    }

    /// Bytes that the socket took at once; a broken socket takes none, and the reading task notices why.
    fn write_now(&self, head: &[u8], body: &[u8]) -> usize {
        self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)]).unwrap_or(0)
    }

    /// Writes what was left over, until the connection ends.
    pub async fn write(self: Arc<Self>) {
        loop {
            self.write.notified().await;
            while !self.flush() {
                if self.stream.writable().await.is_err() {
                    return self.end();
                }
            }
            if !self.shared().open {
                return;
            }
        }
    }

    /// Whether nothing is left to write.
    fn flush(&self) -> bool {
        let mut shared = self.shared();
        while shared.open && !shared.backlog.is_empty() {
            match self.stream.try_write(&shared.backlog) {
                Ok(written) => shared.backlog.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => shared.open = false,
            }
        }
        true
    }

    /// Reads the greeting.
    pub async fn hello(&self, buffer: &mut BytesMut) -> Result<Option<Hello>, FrameError> {
        loop {
            match take(buffer)? {
                Some(Frame::Hello(hello)) => return Ok(Some(*hello)),
                Some(Frame::Ask(..) | Frame::Answer(..)) => {}
                None if self.fill(buffer).await => {}
                None => return Ok(None),
            }
        }
    }

    /// Hands answers to those who wait, until the connection ends; then everyone learns it.
    pub async fn read(self: Arc<Self>, mut buffer: BytesMut) {
        loop {
            match take(&mut buffer) {
                Ok(Some(Frame::Answer(number, answer))) => self.hand_over(number, *answer),
                Ok(Some(Frame::Ask(..) | Frame::Hello(_))) => {}
                Ok(None) if self.fill(&mut buffer).await => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "a worker's answer cannot be read; its connection is closed");
                    break;
                }
            }
        }
        self.end();
    }

    fn hand_over(&self, number: u64, answer: Answer) {
        let mut shared = self.shared();
        shared.progress = clock::now();
        shared.owed = shared.owed.saturating_sub(1);
        if let Some(sender) = shared.waiting.remove(&number) {
            // Nobody waits any more: the deadline passed while the answer was on its way.
            let _ = sender.send(answer);
        }
    }

    /// Whether more bytes came; false when the connection has ended.
    async fn fill(&self, buffer: &mut BytesMut) -> bool {
        const READ_BYTES: usize = 64 * 1024;
        loop {
            if self.stream.readable().await.is_err() {
                return false;
            }
            buffer.reserve(READ_BYTES);
            match self.stream.try_read_buf(buffer) {
                Ok(read) => return read > 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
    }

    /// Ends the connection: the worker reads its end, everyone who waits learns it.
    pub fn end(&self) {
        let mut shared = self.shared();
        shared.open = false;
        shared.waiting.clear();
        drop(shared);
        // An already broken stream needs no end.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        self.write.notify_one();
        self.ended.notify_one();
    }

    /// Returns when the connection has ended.
    pub async fn ended(&self) {
        while self.shared().open {
            self.ended.notified().await;
        }
    }

    /// Whether answers are owed and none came for `limit`, even when everyone who asked has given up meanwhile.
    pub fn stalled(&self, limit: Duration) -> bool {
        let shared = self.shared();
        shared.owed > 0 && clock::now().saturating_duration_since(shared.progress) > limit
    }
}
