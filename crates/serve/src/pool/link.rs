//! The gateway's end of one worker's connection: many requests in flight, each waiting for its own answer.
//!
//! A request is written by the task that asks, straight into the socket, as long as the worker has not enough to do; then it waits for
//! its turn ([`super::queue`]). What the socket does not take at once is left to the writing task. One reading task hands answers to those
//! who wait, and the worker what is next. When the connection ends, everyone who waits learns it at once.

use crate::clock;
use crate::frame::{ASK_HEAD_BYTES, Answer, Body, Frame, FrameError, Hello, ask_head, take};
use crate::limits::{FRAME_BYTES_MAX, WORKER_BACKLOG_BYTES_MAX};
use crate::pool::queue::{Priority, Queue, Waiting};
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
    /// Too many requests wait for this worker, or too long.
    Full,
    /// The request is longer than a frame.
    Long,
}

#[derive(Debug)]
struct Shared {
    open: bool,
    next: u64,
    /// Those whose request the worker has.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// Those whose request it has not.
    queue: Queue,
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
    /// Requests that the worker can put together: so many it is always handed.
    together: u64,
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
    pub async fn answer(&mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }

    /// Whether the worker has not been handed the request.
    pub fn waits(&self) -> bool {
        self.link.shared().queue.holds(self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Whoever stops waiting frees the place: it is not asked any more, or a late answer finds nobody.
        let mut shared = self.link.shared();
        if shared.waiting.remove(&self.number).is_none() {
            shared.queue.forget(self.number);
        }
    }
}

impl Link {
    /// A link over `socket`, whose two tasks the caller runs: [`Link::read`] and [`Link::write`]. The worker puts up to `together`
    /// requests together.
    pub fn new(socket: std::os::unix::net::UnixStream, together: usize) -> std::io::Result<Arc<Link>> {
        socket.set_nonblocking(true)?;
        let stream = UnixStream::from_std(socket.try_clone()?)?;
        let shared = Shared {
            open: true,
            next: 0,
            waiting: HashMap::new(),
            queue: Queue::default(),
            backlog: BytesMut::new(),
            owed: 0,
            progress: clock::now(),
        };
        Ok(Arc::new(Link {
            stream,
            together: together as u64,
            socket,
            shared: Mutex::new(shared),
            write: Notify::new(),
            ended: Notify::new(),
        }))
    }

    /// The state is sound between any two lines that hold the lock, so a panic elsewhere does not spoil it.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request, or lets it wait for its turn, at most so long.
    pub fn ask(self: &Arc<Self>, body: &Body, priority: Priority, within: Duration) -> Result<Ticket, NotSent> {
        if body.bytes.len() + ASK_HEAD_BYTES > FRAME_BYTES_MAX {
            return Err(NotSent::Long);
        }
        let (sender, answer) = oneshot::channel();
        let mut shared = self.shared();
        if !shared.open {
            return Err(NotSent::Closed);
        }
        let full = !shared.queue.has_room(priority, shared.waiting.len()) || shared.backlog.len() > WORKER_BACKLOG_BYTES_MAX;
        let late = || shared.queue.wait_us(priority, shared.owed) > within.as_secs_f64() * 1e6;
        if full || shared.owed > 0 && late() {
            return Err(NotSent::Full);
        }
        let number = shared.next;
        shared.next += 1;
        let waiting = Waiting { number, body: body.clone(), sender };
        if shared.queue.len() == 0 && self.wants(&shared) {
            self.hand(&mut shared, waiting);
        } else {
            shared.queue.push(priority, waiting);
        }
        Ok(Ticket { link: Arc::clone(self), number, answer })
    }

    /// Whether the worker should be handed another request.
    fn wants(&self, shared: &Shared) -> bool {
        shared.owed < self.together.max(shared.queue.ahead() as u64)
    }

    /// Hands a request to the worker.
    fn hand(&self, shared: &mut Shared, waiting: Waiting) {
        let Waiting { number, body, sender } = waiting;
        // What does not fit a frame did not come this far; its asker would learn that no answer comes.
        let Ok(head) = ask_head(number, &body) else { return };
        let body = &body.bytes;
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
        let mut came = Vec::new();
        loop {
            match take(&mut buffer) {
                Ok(Some(Frame::Answer(number, answer))) => came.push((number, *answer)),
                Ok(Some(Frame::Ask(..) | Frame::Hello(_))) => {}
                Ok(None) => {
                    self.hand_over(&mut came);
                    if !self.fill(&mut buffer).await {
                        break;
                    }
                }
                Err(error) => {
                    self.hand_over(&mut came);
                    tracing::error!(%error, "a worker's answer cannot be read; its connection is closed");
                    break;
                }
            }
        }
        self.end();
    }

    /// Hands over answers that came together, and the worker what is next.
    fn hand_over(&self, came: &mut Vec<(u64, Answer)>) {
        if came.is_empty() {
            return;
        }
        let mut shared = self.shared();
        let now = clock::now();
        let after = now.saturating_duration_since(shared.progress);
        shared.queue.answered(came.len(), after.as_secs_f64() * 1e6);
        shared.progress = now;
        shared.owed = shared.owed.saturating_sub(came.len() as u64);
        while self.wants(&shared) {
            let Some(next) = shared.queue.pop() else { break };
            self.hand(&mut shared, next);
        }
        for (number, answer) in came.drain(..) {
            if let Some(sender) = shared.waiting.remove(&number) {
                // Nobody waits any more: the deadline passed while the answer was on its way.
                let _ = sender.send(answer);
            }
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

    /// Whether nobody waits for an answer of it.
    pub fn idle(&self) -> bool {
        let shared = self.shared();
        shared.owed == 0 && shared.waiting.is_empty() && shared.queue.len() == 0
    }

    /// Ends the connection: the worker reads its end, everyone who waits learns it.
    pub fn end(&self) {
        let mut shared = self.shared();
        shared.open = false;
        shared.waiting.clear();
        shared.queue.clear();
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
