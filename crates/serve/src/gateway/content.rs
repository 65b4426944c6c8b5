//! The body of an answer: there already, or still coming.

use crate::trace::Span;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Whole(Full<Bytes>),
    /// Its first piece, and those that follow.
    Coming(Option<Bytes>, mpsc::Receiver<Bytes>),
    /// The same, with the span of the whole request, which ends with it.
    Told(Option<Bytes>, mpsc::Receiver<Bytes>, #[expect(dead_code, reason = "it ends when it is dropped")] Box<Span>),
}

impl Content {
    /// A span ends with it; at once where all is there.
    pub fn ends(&mut self, span: Span) {
        if let Content::Coming(first, rest) = self
            && span.trace().recorded().is_some()
        {
            let (first, none) = (first.take(), mpsc::channel(1).1);
            *self = Content::Told(first, std::mem::replace(rest, none), Box::new(span));
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Content {
        Content::Whole(Full::new(bytes))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Content::Whole(whole) => Pin::new(whole).poll_frame(context),
            Content::Coming(first, rest) | Content::Told(first, rest, _) => match first.take() {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => rest.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Whole(whole) => whole.is_end_stream(),
            Content::Coming(..) | Content::Told(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(whole) => whole.size_hint(),
            Content::Coming(..) | Content::Told(..) => SizeHint::default(),
        }
    }
}
