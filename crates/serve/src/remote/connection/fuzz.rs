//! Answers of an upstream as a fuzzer makes them up: in pieces of any length, with its end at any place.

use super::{Failure, Outgoing, exchange};
use crate::frame::{Body, Form};
use crate::remote::RemoteScore;
use crate::remote::answer;
use bytes::{Bytes, BytesMut};
use futures::executor::block_on;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server that has said all it will say, heard so many bytes at a time.
struct Said<'b> {
    rest: &'b [u8],
    at_a_time: usize,
}

impl AsyncRead for Said<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.at_a_time.min(self.rest.len()).min(into.remaining());
        let (taken, rest) = self.rest.split_at(count);
        into.put_slice(taken);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads answer after answer as long as the connection may be used again. However it comes in pieces, it is the same answer.
pub fn reply(bytes: &[u8], at_a_time: usize) {
    let whole = all(bytes, usize::MAX);
    assert_eq!(whole.first(), all(bytes, at_a_time.max(1)).first(), "an answer does not depend on how it is cut");
}

/// Each answer as words.
fn all(bytes: &[u8], at_a_time: usize) -> Vec<String> {
    let mut stream = Said { rest: bytes, at_a_time };
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    let request = Outgoing { head: Bytes::from_static(b"POST / HTTP/1.1\r\n\r\n"), body: Body::default() };
    let asked = Body { bytes: Bytes::from_static(b"{\"inputs\":[]}"), form: Form::Json };
    loop {
        match block_on(exchange(&mut stream, &mut buffer, &request, None)) {
            Ok((reply, keep)) => {
                assert!(reply.body.len() <= bytes.len(), "nothing is added");
                found.push(format!("{} {:?} {:?}", reply.status, reply.json_bytes, reply.body));
                let score = RemoteScore { output: "y".to_owned(), column: 0 };
                answer::read(&asked, reply, &[], Some(&score).filter(|_| found.len() % 2 == 1));
                if !keep {
                    return found;
                }
                assert!(buffer.is_empty(), "nothing is left over on a connection that is kept");
            }
            Err(Failure::Unanswered(_)) => found.push("unanswered".to_owned()),
            Err(Failure::Broken(_)) => found.push("broken".to_owned()),
            Err(Failure::Left) => found.push("left".to_owned()),
            Err(Failure::Long) => found.push("long".to_owned()),
        }
        if found.last().is_some_and(|last| ["unanswered", "broken", "long"].contains(&last.as_str())) {
            return found;
        }
    }
}
