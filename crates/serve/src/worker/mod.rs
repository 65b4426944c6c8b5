//! A worker: one process, one version, one connection to the gateway that started it.
//!
//! The connection is the process's standard input: a stream that only the parent can reach, without a name in the
//! file system. When the parent ends, in whatever way, the stream ends and the worker with it. Requests are answered
//! in order by the thread that read them: a hand-over would cost more than most models.
//! Not here: restarts, routing, HTTP.

mod arguments;
mod guard;
mod version;

use crate::clock;
use crate::conduct::Batching;
use crate::frame::{Answer, Body, Form, Frame, FrameError, Hello, Outcome, put_answer, put_hello, take};
use crate::limits::BATCH_REQUESTS_MAX;
use bytes::BytesMut;
use std::io::{ErrorKind, Read, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub use arguments::{ArgumentsError, WorkerArguments};
pub(crate) use guard::{DONE, GUARD};
pub(crate) use version::{LoadedVersion, NO_GOLDEN, promised};

/// What a worker runs.
pub trait Answerer {
    /// What it says before it answers anything.
    fn hello(&self) -> Hello;
    /// The answer to one request's body.
    fn answer(&self, body: &Body) -> Answer;
    /// The answers to several, in their order.
    fn answer_all(&self, bodies: &[Body]) -> Vec<Answer> {
        bodies.iter().map(|body| self.answer(body)).collect()
    }
    /// How requests are put together; none where they are not.
    fn batching(&self) -> Option<Batching> {
        None
    }
    /// Whether a golden request is still answered right; which one, the turn says. A failure says what differs.
    fn golden(&self, _turn: u64) -> Answer {
        Answer::empty()
    }
}

/// A worker that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its arguments.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// Standard input is not the gateway's connection.
    #[error("start a worker: standard input is not a connection: workers are started by `tidegate up`, not by hand ({0})")]
    Connection(#[source] std::io::Error),
    /// The connection broke.
    #[error("talk to the gateway: {0}")]
    Broken(#[from] std::io::Error),
    /// A frame that cannot be read or written.
    #[error("talk to the gateway: {0}")]
    Frame(#[from] FrameError),
    /// The version is not ready; the gateway has been told why.
    #[error("version not ready: {0}")]
    NotReady(String),
    /// A server of another kind that was to be started in place of a version.
    #[error("{0}")]
    Guard(String),
}

/// Runs a worker until its gateway ends: `tidegate worker --dir D --library L --model M --version V --role R`.
///
/// # Errors
/// When the version cannot be loaded, a golden answer differs, or the connection breaks.
pub fn main(arguments: impl IntoIterator<Item = String>) -> Result<(), WorkerError> {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.next_if(|first| first == GUARD).is_some() {
        return guard::guard(arguments);
    }
    let arguments = WorkerArguments::parse(arguments)?;
    let connection = connection_of_parent()?;
    end_with_parent();
    match LoadedVersion::open(&arguments, NonZero::<usize>::MIN) {
        Ok(version) => serve(&connection, &version),
        Err(why) => refuse(&connection, why),
    }
}

/// The connection that the gateway handed over as standard input.
///
/// # Errors
/// When standard input is something else.
pub fn connection_of_parent() -> Result<UnixStream, WorkerError> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(WorkerError::Connection)?;
    let connection = UnixStream::from(stdin);
    connection.peer_addr().map_err(WorkerError::Connection)?;
    Ok(connection)
}

/// Ends the process when its parent has ended, even while the version is stuck in one request.
pub fn end_with_parent() {
    const LOOK_MS: u64 = 500;
    let parent = rustix::process::getppid();
    std::thread::spawn(move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(std::time::Duration::from_millis(LOOK_MS));
        }
        std::process::exit(0);
    });
}

/// Says why the version is not ready, and ends.
fn refuse(connection: &UnixStream, why: String) -> Result<(), WorkerError> {
    let mut out = Vec::new();
    put_hello(&mut out, &Hello { why: why.clone(), ..Hello::default() })?;
    (&*connection).write_all(&out)?;
    Err(WorkerError::NotReady(why))
}

fn too_long(error: &FrameError) -> Answer {
    Answer::error(Outcome::Failed, &format!("the answer does not fit: {error}: ask for fewer rows or outputs"))
}

/// Greets, then answers until the connection ends.
///
/// # Errors
/// When the version is not ready or the connection breaks.
pub fn serve(connection: &UnixStream, answerer: &impl Answerer) -> Result<(), WorkerError> {
    let hello = answerer.hello();
    let mut out = Vec::with_capacity(READ_BYTES);
    put_hello(&mut out, &hello)?;
    let mut writer = connection;
    writer.write_all(&out)?;
    if !hello.ready {
        return Err(WorkerError::NotReady(hello.why));
    }
    let mut requests =
        Requests { connection, buffer: BytesMut::with_capacity(READ_BYTES), chunk: vec![0; READ_BYTES], held: None, ended: false };
    let batching = answerer.batching();
    while let Some(asked) = requests.next(batching)? {
        out.clear();
        let (numbers, bodies): (Vec<u64>, Vec<Body>) = asked.into_iter().unzip();
        let answers = match bodies.as_slice() {
            [body] => vec![one(answerer, body)],
            _ => answerer.answer_all(&bodies),
        };
        for (number, answer) in numbers.into_iter().zip(&answers) {
            match put_answer(&mut out, number, answer) {
                // Others wait in this worker: one answer that is too long ends none of them.
                Err(error @ FrameError::Long { .. }) => put_answer(&mut out, number, &too_long(&error))?,
                put => put?,
            }
        }
        writer.write_all(&out)?;
    }
    Ok(())
}

fn one(answerer: &impl Answerer, body: &Body) -> Answer {
    body.golden_turn().map_or_else(|| answerer.answer(body), |turn| answerer.golden(turn))
}

/// How soon it is looked again whether others have come, in microseconds.
const LOOK_AGAIN_US: u64 = 50;
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Requests as they come over the connection.
struct Requests<'c> {
    connection: &'c UnixStream,
    buffer: BytesMut,
    chunk: Vec<u8>,
    /// One that is answered alone, read while others were put together.
    held: Option<(u64, Body)>,
    /// Nothing more will come.
    ended: bool,
}

impl Requests<'_> {
    /// The next request, or those that are put together; none when the connection has ended.
    fn next(&mut self, batching: Option<Batching>) -> Result<Option<Vec<(u64, Body)>>, WorkerError> {
        let first = loop {
            match self.held.take().map_or_else(|| self.whole(), |held| Ok(Some(held)))? {
                Some(first) => break first,
                None if self.ended || self.read()? == Came::End => return Ok(None),
                None => {}
            }
        };
        let mut asked = vec![first];
        // The gateway's own question is answered alone.
        let Some(batching) = batching.filter(|_| asked.iter().all(|(_, body)| body.form != Form::Golden)) else { return Ok(Some(asked)) };
        let until = clock::now() + Duration::from_micros(batching.wait_us);
        while asked.len() < batching.requests_max.min(BATCH_REQUESTS_MAX) {
            match self.whole()? {
                Some(golden) if golden.1.form == Form::Golden => {
                    self.held = Some(golden);
                    break;
                }
                Some(next) => asked.push(next),
                // What ends the connection is met again when it is read from next.
                None if self.read_what_is_there()? != Came::Nothing => {
                    if self.ended {
                        break;
                    }
                }
                None if clock::now() >= until => break,
                None => std::thread::sleep(Duration::from_micros(LOOK_AGAIN_US)),
            }
        }
        Ok(Some(asked))
    }

    /// A request that has come wholly.
    fn whole(&mut self) -> Result<Option<(u64, Body)>, WorkerError> {
        while let Some(frame) = take(&mut self.buffer)? {
            if let Frame::Ask(number, body) = frame {
                return Ok(Some((number, body)));
            }
        }
        Ok(None)
    }

    /// Waits for bytes and reads them.
    fn read(&mut self) -> Result<Came, WorkerError> {
        let mut connection = self.connection;
        let read = connection.read(&mut self.chunk)?;
        self.took(read);
        Ok(if read == 0 { Came::End } else { Came::Bytes })
    }

    /// Reads what has come already. A timeout of the socket would be rounded up to the system's tick, of several milliseconds.
    fn read_what_is_there(&mut self) -> Result<Came, WorkerError> {
        self.connection.set_nonblocking(true)?;
        let mut connection = self.connection;
        let read = connection.read(&mut self.chunk);
        self.connection.set_nonblocking(false)?;
        match read {
            Ok(read) => {
                self.took(read);
                Ok(if read == 0 { Came::End } else { Came::Bytes })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Came::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    fn took(&mut self, read: usize) {
        self.ended |= read == 0;
        self.buffer.extend_from_slice(self.chunk.get(..read).unwrap_or_default());
    }
}

/// What a read brought.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Bytes,
    Nothing,
    End,
}
