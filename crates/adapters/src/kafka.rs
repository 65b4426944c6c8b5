//! Reads topics of Kafka, partition by partition. How far is for the caller to keep.

use crate::link::{Link, Place};
use crate::scram::{Hash, Scram};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::io::Read as _;
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::Mechanism;
use tidegate_wire::kafka::records::{Codec, Entry, entries};
use tidegate_wire::kafka::{self, Code, Damaged, EARLIEST, LATEST, Partitions, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// Most partitions of a topic.
pub const PARTITIONS_MAX: usize = 256;
/// What is asked for at once, in bytes: a batch that is larger comes whole all the same.
const FETCH_BYTES_MAX: i32 = 8 << 20;
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Of a longer one so much, to see what it is.
const ANSWER_BEGINNING: usize = 64 << 10;
/// What a batch may hold, unpacked, in bytes.
const UNPACKED_BYTES_MAX: usize = 32 << 20;
/// How long a broker waits for records before it answers that there are none.
const RECORDS_WAIT_MS: i32 = 1_000;
/// How long an answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
const READ: &str = "read a topic of Kafka";

/// Where a topic is, and who reads it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Brokers that are asked first.
    pub brokers: Vec<String>,
    /// Its name.
    pub name: String,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// How a broker is shown who reads.
    pub login: Option<Login>,
}

/// How a broker is shown who reads.
#[derive(Clone)]
pub struct Login {
    /// Mechanism of SASL.
    pub mechanism: Mechanism,
    /// The login.
    pub login: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// What a partition gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Records, in order; none where there are no new ones.
    Records(Vec<Entry>),
    /// The position is not there: what was there is gone, or the topic is another one.
    Elsewhere {
        /// Position of the first record that is there.
        earliest: i64,
        /// Position behind the last one.
        latest: i64,
    },
}

/// A connection to a broker.
struct Broker {
    link: Link,
    place: Place,
    asked: i32,
    /// Its last answer was longer than is read, and nothing more can be read from it.
    spent: bool,
}

/// A partition of a topic, at its leader.
pub struct Partition {
    topic: String,
    partition: i32,
    leader: Broker,
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Partition({} of {})", self.partition, self.topic)
    }
}

impl Topic {
    /// The partitions, with the addresses of their leaders where they have one.
    ///
    /// # Errors
    /// When no broker answers, or none has the topic.
    pub async fn partitions(&self) -> Result<Partitions, Failure> {
        let mut last = None;
        for server in &self.brokers {
            match self.partitions_by(server).await {
                Ok(partitions) => return Ok(partitions),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| Place { operation: READ, server: self.name.clone() }.fails(FailureKind::Refused, "it has no broker")))
    }

    async fn partitions_by(&self, server: &str) -> Result<Partitions, Failure> {
        let mut broker = Broker::connect(self, server).await?;
        let answer = broker.ask(&Request::metadata(&self.name)).await?;
        let partitions = broker.read(kafka::metadata(&answer))?;
        if partitions.len() > PARTITIONS_MAX {
            let why = format!("topic {} has {} partitions: at most {PARTITIONS_MAX} are read", self.name, partitions.len());
            return Err(broker.place.fails(FailureKind::Refused, why));
        }
        Ok(partitions)
    }

    /// A partition, at its leader.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn partition(&self, partition: i32, leader: &str) -> Result<Partition, Failure> {
        Ok(Partition { topic: self.name.clone(), partition, leader: Broker::connect(self, leader).await? })
    }
}

impl Partition {
    /// Records from a position on; waits a moment for them where there are none.
    ///
    /// # Errors
    /// When the connection is lost, or the broker refuses: then another partition must be opened.
    pub async fn fetch(&mut self, from: i64) -> Result<Given, Failure> {
        if self.leader.spent {
            return Err(self.leader.place.fails(FailureKind::Transient, "an answer was longer than is read: connect again"));
        }
        let request = Request::fetch(&self.topic, self.partition, from, RECORDS_WAIT_MS, FETCH_BYTES_MAX);
        let answer = self.leader.ask(&request).await?;
        let fetched = match kafka::fetched(&answer) {
            Ok(Err(Code::OUT_OF_RANGE)) => {
                let (earliest, latest) = self.ends().await?;
                return Ok(Given::Elsewhere { earliest, latest });
            }
            fetched => self.leader.read(fetched)?,
        };
        Ok(Given::Records(entries(&fetched, from, &unpack)))
    }

    /// Position of the first record that is there, and the one behind the last.
    ///
    /// # Errors
    /// As [`Partition::fetch`].
    pub async fn ends(&mut self) -> Result<(i64, i64), Failure> {
        Ok((self.position(EARLIEST).await?, self.position(LATEST).await?))
    }

    async fn position(&mut self, which: i64) -> Result<i64, Failure> {
        let answer = self.leader.ask(&Request::position(&self.topic, self.partition, which)).await?;
        self.leader.read(kafka::position(&answer))
    }
}

impl Broker {
    async fn connect(topic: &Topic, server: &str) -> Result<Broker, Failure> {
        let place = Place { operation: READ, server: server.to_owned() };
        let mut carrier = place.connect().await?;
        if topic.tls {
            carrier = place.encrypt(carrier).await?;
        }
        let mut broker = Broker { link: BufReader::new(carrier), place, asked: 0, spent: false };
        if let Some(login) = &topic.login {
            broker.show(login).await?;
        }
        Ok(broker)
    }

    /// Shows who reads.
    async fn show(&mut self, login: &Login) -> Result<(), Failure> {
        let (name, hash) = match login.mechanism {
            Mechanism::Plain => ("PLAIN", None),
            Mechanism::Scram256 => ("SCRAM-SHA-256", Some(Hash::Sha256)),
            Mechanism::Scram512 => ("SCRAM-SHA-512", Some(Hash::Sha512)),
        };
        let answer = self.ask(&Request::handshake(name)).await?;
        self.read(kafka::handshaken(&answer))?;
        let Some(hash) = hash else {
            return self.prove(format!("\0{}\0{}", login.login, login.password).as_bytes()).await.map(drop);
        };
        let denied = |place: &Place, why: &str| place.fails(FailureKind::Denied, why);
        let mut random = [0; 18];
        SystemRandom::new().fill(&mut random).map_err(|_| denied(&self.place, "the system gives no random bytes"))?;
        let scram = Scram::new(hash, &login.login, &login.password, &BASE64_STANDARD_NO_PAD.encode(random));
        let said = self.prove(scram.first().as_bytes()).await?;
        let (last, wanted) = scram.last(&String::from_utf8_lossy(&said)).map_err(|why| denied(&self.place, why))?;
        let said = self.prove(last.as_bytes()).await?;
        if said != wanted.as_bytes() {
            return Err(denied(&self.place, "it does not prove to know the password itself: it is another broker"));
        }
        Ok(())
    }

    async fn prove(&mut self, proof: &[u8]) -> Result<Vec<u8>, Failure> {
        let answer = self.ask(&Request::authenticate(proof)).await?;
        self.read(kafka::authenticated(&answer)).map(<[u8]>::to_vec)
    }

    /// Asks, and gives the answer without its head; the beginning of one that is longer than is read.
    async fn ask(&mut self, request: &Request) -> Result<Vec<u8>, Failure> {
        self.asked = self.asked.wrapping_add(1);
        let frame = request.frame(self.asked);
        let link = &mut self.link;
        let exchange = async {
            link.write_all(&frame).await?;
            link.flush().await?;
            let (length, asked) = (link.read_i32().await?, link.read_i32().await?);
            let length = usize::try_from(length).unwrap_or_default().saturating_sub(4);
            let mut answer = vec![0; if length > ANSWER_BYTES_MAX { ANSWER_BEGINNING } else { length }];
            link.read_exact(&mut answer).await?;
            Ok((asked, length, answer))
        };
        let (asked, length, answer) = self.place.within(ANSWER_WAIT, exchange).await?;
        self.spent = length > answer.len();
        if asked != self.asked {
            return Err(self.place.fails(FailureKind::Transient, "it answers another question than was asked: see whether it is Kafka"));
        }
        Ok(answer)
    }

    fn read<T>(&self, answer: Result<Result<T, Code>, Damaged>) -> Result<T, Failure> {
        let damaged = |why| self.place.fails(FailureKind::Refused, format!("its answer is damaged: {why}"));
        answer.map_err(damaged)?.map_err(|code| {
            let kind = if matches!(code.0, 29 | 30 | 33 | 34 | 58) { FailureKind::Denied } else { FailureKind::Transient };
            self.place.fails(kind, code.words())
        })
    }
}

/// A batch, unpacked.
fn unpack(codec: Codec, bytes: &[u8]) -> Result<Vec<u8>, Damaged> {
    match codec {
        Codec::Gzip => bounded(flate2::read::MultiGzDecoder::new(bytes)),
        Codec::Zstd => bounded(zstd::stream::read::Decoder::new(bytes).map_err(|_| PACKED)?),
        Codec::Lz4 => kafka::lz4(bytes, UNPACKED_BYTES_MAX),
        Codec::Snappy => match bytes.strip_prefix(b"\x82SNAPPY\0") {
            // The frame of the Java library: two versions, then blocks with their lengths.
            Some(rest) => snappy_blocks(rest.get(8..).ok_or(PACKED)?),
            None => snappy(bytes, 0),
        },
    }
}

const PACKED: Damaged = Damaged("a batch of Kafka cannot be unpacked");
const MUCH: Damaged = Damaged("a batch of Kafka holds more than is read");

fn bounded(reader: impl std::io::Read) -> Result<Vec<u8>, Damaged> {
    let mut found = vec![];
    reader.take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(&mut found).map_err(|_| PACKED)?;
    if found.len() > UNPACKED_BYTES_MAX { Err(MUCH) } else { Ok(found) }
}

fn snappy(block: &[u8], before: usize) -> Result<Vec<u8>, Damaged> {
    if snap::raw::decompress_len(block).map_err(|_| PACKED)?.saturating_add(before) > UNPACKED_BYTES_MAX {
        return Err(MUCH);
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| PACKED)
}

fn snappy_blocks(mut rest: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut found = vec![];
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(PACKED)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(PACKED)?;
        found.extend(snappy(block, found.len())?);
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn batches_are_unpacked_up_to_a_limit() {
        let text = b"delivery delivery delivery".repeat(9);
        let block = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        let length = u32::try_from(block.len()).unwrap().to_be_bytes();
        let framed = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &length, &block, &length, &block].concat();
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        gzip.write_all(&text).unwrap();
        let zstd = zstd::stream::encode_all(&text[..], 1).unwrap();
        for (codec, packed) in [(Codec::Snappy, block.clone()), (Codec::Gzip, gzip.finish().unwrap()), (Codec::Zstd, zstd)] {
            assert_eq!(unpack(codec, &packed).as_deref(), Ok(&text[..]), "{codec:?}");
            assert_eq!(unpack(codec, &packed[..packed.len() - 9]), Err(PACKED), "{codec:?}");
        }
        assert_eq!(unpack(Codec::Snappy, &framed), Ok(text.repeat(2)));
        assert_eq!(unpack(Codec::Snappy, &framed[..framed.len() - 1]), Err(PACKED));
        let bomb = zstd::stream::encode_all(std::io::repeat(0).take(UNPACKED_BYTES_MAX as u64 + 1), 1).unwrap();
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(Codec::Zstd, &bomb), Err(MUCH));
        assert_eq!(unpack(Codec::Lz4, b"nothing"), Err(Damaged("a batch of Kafka is no frame of LZ4")));
    }

    #[test]
    fn a_password_is_not_shown() {
        let login = Login { mechanism: Mechanism::Plain, login: "ada".into(), password: "hunter2".into() };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
