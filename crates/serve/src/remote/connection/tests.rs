//! Answers of servers, well-formed and not, in any pieces.

use super::*;
use proptest::prelude::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Status, body, what is said of the JSON's length, and whether the connection may be kept.
type Got = (u16, Vec<u8>, Option<Vec<u8>>, bool);

/// What an exchange gives when the server says `answer`, so many bytes at a time, and then closes.
fn exchanged(answer: &[u8], piece: usize) -> Result<Got, String> {
    runtime().block_on(async {
        let mut mock = tokio_test(answer, piece);
        let request = Outgoing { head: Bytes::from_static(b"POST / HTTP/1.1\r\n\r\n"), body: crate::frame::Body::json(&b"{}"[..]) };
        match exchange(&mut mock, &mut BytesMut::new(), &request, None).await {
            Ok((reply, keep)) => Ok((reply.status.as_u16(), reply.body.to_vec(), reply.json_bytes, keep)),
            Err(Failure::Unanswered(e)) => Err(format!("unanswered: {e}")),
            Err(Failure::Broken(e)) => Err(format!("broken: {e}")),
            Err(Failure::Long) => Err("long".to_owned()),
            Err(Failure::Left) => Err("left".to_owned()),
        }
    })
}

/// A stream that takes everything and gives `answer` in pieces.
fn tokio_test(answer: &[u8], piece: usize) -> Pieces {
    Pieces { rest: answer.to_vec(), piece: piece.max(1), written: Vec::new() }
}

struct Pieces {
    rest: Vec<u8>,
    piece: usize,
    written: Vec<u8>,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let n = self.piece.min(self.rest.len()).min(to.remaining());
        let taken: Vec<u8> = self.rest.drain(..n).collect();
        to.put_slice(&taken);
        std::task::Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>, bytes: &[u8]) -> std::task::Poll<io::Result<usize>> {
        let n = bytes.len().min(3);
        self.written.extend_from_slice(&bytes[..n]);
        std::task::Poll::Ready(Ok(n))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn answers_are_read_in_any_pieces_and_say_whether_the_connection_may_be_kept() {
    type Case = (&'static [u8], u16, &'static [u8], Option<&'static [u8]>, bool);
    let cases: [Case; 8] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", None, true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nInference-Header-Content-Length: 1\r\n\r\n{}", 200, b"{}", Some(b"1"), true),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: v\r\n\r\n", 200, b"abcde", None, true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx", 200, b"x", None, false),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, b"x", None, false),
        (b"HTTP/1.1 503 Busy\r\n\r\nuntil the end", 503, b"until the end", None, false),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, b"", None, true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", 200, b"x", None, false),
    ];
    for (answer, status, body, json_bytes, keep) in cases {
        for piece in [1, 2, 7, 1_000] {
            let expected = Ok((status, body.to_vec(), json_bytes.map(<[u8]>::to_vec), keep));
            let got = exchanged(answer, piece);
            // In single bytes, what follows an answer is not there yet when it ends.
            let follows = keep || answer.ends_with(b"OK\r\n");
            let same =
                got == expected || (follows && got.clone().map(|(s, b, j, _)| (s, b, j)) == expected.clone().map(|(s, b, j, _)| (s, b, j)));
            assert!(same, "{} in pieces of {piece}: {got:?}", String::from_utf8_lossy(answer));
        }
    }
}

#[test]
fn what_is_no_whole_answer_says_so() {
    let of = |answer: &str| exchanged(answer.as_bytes(), 4).unwrap_err();
    assert_eq!(of(""), "unanswered: it closed the connection without an answer");
    for cut in [
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        assert_eq!(of(cut), "broken: its answer is cut short", "{cut}");
    }
    for bad in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ] {
        assert!(of(bad).starts_with("broken: its answer cannot be read: "), "{bad}: {}", of(bad));
    }
    assert_eq!(of("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"), "long");
    assert_eq!(of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n"), "long");
    // However it comes in pieces.
    let long_line = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n\r\n", "x".repeat(5_000));
    for piece in [4, 1_000_000] {
        assert!(exchanged(long_line.as_bytes(), piece).unwrap_err().ends_with("a chunk has no length"), "in pieces of {piece}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(limits::HEADER_BYTES_MAX));
    assert!(of(&endless).contains("its head is too long"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn any_bytes_end_in_an_answer_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..50_usize, honest in any::<bool>()) {
        let mut answer = if honest { b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec() } else { Vec::new() };
        answer.extend(bytes);
        let _ = exchanged(&answer, piece);
    }

    #[test]
    fn chunks_are_put_together(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..8), piece in 1..40_usize) {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
        for part in &parts {
            answer.extend(format!("{:x}\r\n", part.len()).into_bytes());
            answer.extend(part);
            answer.extend(b"\r\n");
        }
        answer.extend(b"0\r\n\r\n");
        let (status, body, _, keep) = exchanged(&answer, piece).unwrap();
        prop_assert_eq!((status, body, keep), (200, parts.concat(), true));
    }
}
