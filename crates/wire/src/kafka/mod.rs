//! Kafka's protocol, as far as a reader of a topic needs it: requests as bytes, answers as values, and the records in them.
//!
//! The versions of requests are those that every broker from 0.11 to 4 knows. Not here: connections, and how a batch is unpacked
//! ([`records::Unpack`]).

mod bytes;
mod lz4;
pub mod records;
#[cfg(test)]
mod tests;

pub use lz4::lz4;

use bytes::{Reader, Writer};

/// What a broker sent is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub &'static str);

/// Name by which brokers know who asks.
const CLIENT: &str = "tidegate";
/// Position of a partition's first record that is still there.
pub const EARLIEST: i64 = -2;
/// Position behind a partition's last record.
pub const LATEST: i64 = -1;

/// What a broker is asked: its number in the protocol, the version of it, and what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    key: i16,
    version: i16,
    body: Vec<u8>,
}

impl Request {
    fn new(key: i16, version: i16, body: &mut Writer) -> Request {
        Request { key, version, body: std::mem::take(&mut body.0) }
    }

    /// As it is sent: its length, its head and itself.
    #[must_use]
    pub fn frame(&self, correlation: i32) -> Vec<u8> {
        let mut inner = Writer::default();
        inner.i16(self.key).i16(self.version).i32(correlation).text(CLIENT);
        inner.0.extend(&self.body);
        let mut frame = Writer::default();
        frame.bytes(&inner.0);
        frame.0
    }

    /// Asks where the partitions of a topic are. A topic that is not there is not made.
    #[must_use]
    pub fn metadata(topic: &str) -> Request {
        Request::new(3, 4, Writer::default().i32(1).text(topic).i8(0))
    }

    /// Asks for a position: [`EARLIEST`] or [`LATEST`].
    #[must_use]
    pub fn position(topic: &str, partition: i32, which: i64) -> Request {
        Request::new(2, 1, Writer::default().i32(-1).i32(1).text(topic).i32(1).i32(partition).i64(which))
    }

    /// Asks for records from a position on, of transactions that were not given up.
    #[must_use]
    pub fn fetch(topic: &str, partition: i32, from: i64, wait_ms: i32, bytes_max: i32) -> Request {
        let mut body = Writer::default();
        body.i32(-1).i32(wait_ms).i32(1).i32(bytes_max).i8(1);
        Request::new(1, 4, body.i32(1).text(topic).i32(1).i32(partition).i64(from).i32(bytes_max))
    }

    /// Says how it will be proved who asks.
    #[must_use]
    pub fn handshake(mechanism: &str) -> Request {
        Request::new(17, 1, Writer::default().text(mechanism))
    }

    /// A part of that proof.
    #[must_use]
    pub fn authenticate(proof: &[u8]) -> Request {
        Request::new(36, 0, Writer::default().bytes(proof))
    }
}

/// An error that a broker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i16);

impl Code {
    /// No error.
    pub const NONE: Code = Code(0);
    /// The position lies before or behind what is there.
    pub const OUT_OF_RANGE: Code = Code(1);

    /// What it means, and what to do.
    #[must_use]
    pub fn words(self) -> String {
        let known = match self.0 {
            3 => "it has no such topic or partition: make it, or correct `topic`",
            5 | 6 | 9 => "the partition has no leader now",
            7 => "it did not answer in time",
            29 | 30 => "who asks may not read the topic: let it, on the broker",
            33 => "it does not know this mechanism: correct `sasl`",
            34 => "another step of the proof was to come: the broker and `sasl` do not fit together",
            35 => "it does not know this version of the protocol: brokers from 0.11 on do",
            58 => "it does not know login or password: correct them",
            _ => return format!("it answers error {}", self.0),
        };
        known.to_owned()
    }
}

/// Partitions of a topic, each with the address of its leader, where it has one now.
pub type Partitions = Vec<(i32, Option<String>)>;

/// Where the partitions of a topic are: each with the address of its leader, none where it has none now.
///
/// # Errors
/// When the answer is damaged.
pub fn metadata(answer: &[u8]) -> Result<Result<Partitions, Code>, Damaged> {
    let mut read = Reader(answer);
    read.i32()?;
    let brokers = read.items(|read| {
        let (node, host, port) = (read.i32()?, read.text()?.unwrap_or_default(), read.i32()?);
        read.text()?;
        Ok((node, format!("{host}:{port}")))
    })?;
    read.text()?;
    read.i32()?;
    let topics = read.items(|read| {
        let code = Code(read.i16()?);
        read.text()?;
        read.i8()?;
        let partitions = read.items(|read| {
            read.i16()?;
            let (partition, leader) = (read.i32()?, read.i32()?);
            read.items(|read| read.i32())?;
            read.items(|read| read.i32())?;
            let address = brokers.iter().find(|(node, _)| *node == leader).map(|(_, address)| address.clone());
            Ok((partition, address))
        })?;
        Ok((code, partitions))
    })?;
    let (code, partitions) = topics.into_iter().next().ok_or(Damaged("the topic that was asked for is not in it"))?;
    Ok(if code == Code::NONE { Ok(partitions) } else { Err(code) })
}

/// A position.
///
/// # Errors
/// When the answer is damaged.
pub fn position(answer: &[u8]) -> Result<Result<i64, Code>, Damaged> {
    let mut read = Reader(answer);
    let one = read.items(|read| {
        read.text()?;
        read.items(|read| {
            read.i32()?;
            let code = Code(read.i16()?);
            read.i64()?;
            let at = read.i64()?;
            Ok(if code == Code::NONE { Ok(at) } else { Err(code) })
        })
    })?;
    one.into_iter().flatten().next().ok_or(Damaged("the partition that was asked for is not in it"))
}

/// What a partition gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<'a> {
    /// Producers, and from which record on what they told was given up.
    pub given_up: Vec<(i64, i64)>,
    /// Batches of records, the last one perhaps cut off.
    pub records: &'a [u8],
}

/// What a partition gives; `answer` may be cut off within the records.
///
/// # Errors
/// When the answer is damaged.
pub fn fetched(answer: &[u8]) -> Result<Result<Fetched<'_>, Code>, Damaged> {
    let mut read = Reader(answer);
    read.i32()?;
    if read.i32()? < 1 {
        return Ok(Ok(Fetched { given_up: vec![], records: &[] }));
    }
    read.text()?;
    if read.i32()? < 1 {
        return Err(Damaged("the partition that was asked for is not in it"));
    }
    read.i32()?;
    let code = Code(read.i16()?);
    read.i64()?;
    read.i64()?;
    let given_up = read.items(|read| Ok((read.i64()?, read.i64()?)))?;
    let length = usize::try_from(read.i32()?).unwrap_or_default();
    let records = &read.0[..length.min(read.0.len())];
    Ok(if code == Code::NONE { Ok(Fetched { given_up, records }) } else { Err(code) })
}

/// Whether a mechanism is known.
///
/// # Errors
/// When the answer is damaged.
pub fn handshaken(answer: &[u8]) -> Result<Result<(), Code>, Damaged> {
    let code = Code(Reader(answer).i16()?);
    Ok(if code == Code::NONE { Ok(()) } else { Err(code) })
}

/// What the broker answers to a part of a proof.
///
/// # Errors
/// When the answer is damaged.
pub fn authenticated(answer: &[u8]) -> Result<Result<&[u8], Code>, Damaged> {
    let mut read = Reader(answer);
    let code = Code(read.i16()?);
    read.text()?;
    let proof = read.bytes()?.unwrap_or_default();
    Ok(if code == Code::NONE { Ok(proof) } else { Err(code) })
}
