//! Reads streams of NATS JetStream by a durable consumer: one message after the other, each given again until it is done.

use crate::link::{Link, Place};
use crate::nkey::Credentials;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::nats::{
    Info, LINE_BYTES_MAX, Line, NoConsumer, Proof, ask_consumer, ask_messages, connect, consumer, headers, line, make_consumer, publish,
    subscribe,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// Longest message, in bytes: no server takes a longer one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Messages that are asked for at once. Each comes when the one before it is done.
const MESSAGES_MAX: u32 = 256;
/// How long a server waits for messages before it says that there are none.
const MESSAGES_WAIT_MS: u64 = 2_000;
/// How long an answer is waited for, beyond that.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
const READ: &str = "read a stream of NATS";
/// No message, or not in time; nobody answers for streams.
const NONE: u16 = 404;
const LATE: u16 = 408;
const NOBODY: u16 = 503;

/// Where a stream is, and who reads it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Servers that are tried.
    pub servers: Vec<String>,
    /// Its name.
    pub name: String,
    /// Only messages of this subject.
    pub subject: Option<String>,
    /// The durable consumer.
    pub durable: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// How the server is shown who reads.
    pub entry: Entry,
}

/// How a server is shown who reads.
#[derive(Clone)]
pub enum Entry {
    /// Anybody may.
    Open,
    /// By login and password.
    Login(String, String),
    /// By a token.
    Token(String),
    /// By what is in a `.creds` file, or a seed.
    Credentials(String),
}

/// Without secrets.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Entry::Open => "Open",
            Entry::Login(..) => "Login",
            Entry::Token(_) => "Token",
            Entry::Credentials(_) => "Credentials",
        })
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    reply: Option<String>,
}

/// What came on the connection.
struct Came {
    status: Option<u16>,
    message: Message,
}

/// A connection to a server, whose durable consumer is there.
pub struct Consumer {
    link: Link,
    place: Place,
    stream: Stream,
    inbox: String,
    /// So many messages may come before they must be asked for again.
    due: u32,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Consumer({} of {})", self.stream.durable, self.stream.name)
    }
}

impl Stream {
    /// The first server that lets us in.
    ///
    /// # Errors
    /// When none does, or it has no such stream.
    pub async fn open(&self) -> Result<Consumer, Failure> {
        let mut last = None;
        for server in &self.servers {
            match self.open_at(server).await {
                Ok(consumer) => return Ok(consumer),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| Place { operation: READ, server: self.name.clone() }.fails(FailureKind::Refused, "it has no server")))
    }

    async fn open_at(&self, server: &str) -> Result<Consumer, Failure> {
        let place = Place { operation: READ, server: server.to_owned() };
        let mut link = BufReader::new(place.connect().await?);
        let Line::Info(info) = next_line(&place, &mut link, ANSWER_WAIT).await? else {
            return Err(place.fails(FailureKind::Refused, "it does not say what it is: see whether it is NATS"));
        };
        if self.tls {
            link = BufReader::new(place.encrypt(link.into_inner()).await?);
        } else if info.tls_required {
            return Err(place.fails(FailureKind::Refused, "it wants TLS: give `tls: on`"));
        }
        let mut random = [0_u8; 12];
        SystemRandom::new().fill(&mut random).map_err(|_| place.fails(FailureKind::Refused, "the system gives no random bytes"))?;
        let inbox = random.iter().fold("_INBOX.".to_owned(), |inbox, byte| format!("{inbox}{byte:02x}"));
        let mut consumer = Consumer { link, place, stream: self.clone(), inbox, due: 0 };
        let proof = consumer.proof(&info)?;
        let hello = format!("{}{}PING\r\n", connect(&proof, self.tls), subscribe(&consumer.inbox));
        consumer.send(&hello).await?;
        match next_line(&consumer.place, &mut consumer.link, ANSWER_WAIT).await? {
            Line::Error(why) => return Err(consumer.place.fails(FailureKind::Denied, format!("it does not let us in: {}", short(&why)))),
            Line::Fine | Line::Info(_) | Line::Ping | Line::Message { .. } => {}
        }
        consumer.make().await?;
        Ok(consumer)
    }
}

/// What a server says of an error, as far as it is shown.
fn short(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(200).collect()
}

async fn next_line(place: &Place, link: &mut Link, longest: Duration) -> Result<Line, Failure> {
    let mut bytes = vec![];
    let mut limited = link.take(LINE_BYTES_MAX as u64);
    place.within(longest, limited.read_until(b'\n', &mut bytes)).await?;
    if !bytes.ends_with(b"\n") {
        let why =
            if bytes.len() < LINE_BYTES_MAX { "the connection ended: see whether it is up" } else { "a line of it is longer than is read" };
        return Err(place.fails(FailureKind::Transient, why));
    }
    let text = String::from_utf8_lossy(&bytes);
    line(text.trim_end()).map_err(|why| place.fails(FailureKind::Transient, why.to_string()))
}

impl Consumer {
    /// The next message; none where none came for a moment.
    ///
    /// # Errors
    /// When the connection is lost, or the server refuses: then another one must be opened.
    pub async fn next(&mut self) -> Result<Option<Message>, Failure> {
        if self.due == 0 {
            let (subject, said) = ask_messages(&self.stream.name, &self.stream.durable, MESSAGES_MAX, MESSAGES_WAIT_MS);
            let reply = format!("{}.m", self.inbox);
            self.send(&publish(&subject, Some(&reply), &said)).await?;
            self.due = MESSAGES_MAX;
        }
        let came = self.came(ANSWER_WAIT + Duration::from_millis(MESSAGES_WAIT_MS)).await?;
        match came.status {
            None => {
                self.due -= 1;
                Ok(Some(came.message))
            }
            Some(NONE | LATE) => {
                self.due = 0;
                Ok(None)
            }
            Some(NOBODY) => Err(self.place.fails(FailureKind::Transient, "nobody answers for streams there: start it with JetStream")),
            Some(status) => Err(self.place.fails(FailureKind::Transient, format!("it gives no more messages (status {status})"))),
        }
    }

    /// Says that a message is done: it is not given again.
    ///
    /// # Errors
    /// When the connection is lost: then it is given again.
    pub async fn done(&mut self, message: &Message) -> Result<(), Failure> {
        match &message.reply {
            Some(reply) => {
                let said = publish(reply, None, "+ACK");
                self.send(&said).await
            }
            None => Ok(()),
        }
    }

    fn proof(&self, info: &Info) -> Result<Proof, Failure> {
        Ok(match &self.stream.entry {
            Entry::Open => Proof::default(),
            Entry::Login(login, password) => Proof { login: Some((login.clone(), password.clone())), ..Proof::default() },
            Entry::Token(token) => Proof { token: Some(token.clone()), ..Proof::default() },
            Entry::Credentials(text) => {
                let denied = |why: &str| self.place.fails(FailureKind::Denied, why);
                let key = Credentials::read(text)
                    .ok_or_else(|| denied("`credentials` hold no seed of a user: give what is in a `.creds` file"))?;
                let nonce = info.nonce.as_deref().ok_or_else(|| denied("it asks for no signature: it knows no `credentials`"))?;
                let nkey = key.jwt.is_none().then(|| key.public());
                Proof { signature: Some(key.sign(nonce)), jwt: key.jwt, nkey, ..Proof::default() }
            }
        })
    }

    /// The durable consumer, made where there is none.
    async fn make(&mut self) -> Result<(), Failure> {
        let (stream, durable) = (self.stream.name.clone(), self.stream.durable.clone());
        let answer = self.ask(&ask_consumer(&stream, &durable), "").await?;
        let found = match consumer(&answer) {
            Err(NoConsumer::Missing) => {
                let (subject, said) = make_consumer(&stream, &durable, self.stream.subject.as_deref());
                let answer = self.ask(&subject, &said).await?;
                consumer(&answer)
            }
            found => found,
        };
        let why = match found {
            Ok(()) => return Ok(()),
            Err(NoConsumer::Missing) => "it does not make the durable consumer".to_owned(),
            Err(NoConsumer::Other(why)) => short(&why),
        };
        Err(self.place.fails(FailureKind::Refused, format!("stream {stream}, consumer {durable}: {why}")))
    }

    async fn ask(&mut self, subject: &str, said: &str) -> Result<Vec<u8>, Failure> {
        let reply = format!("{}.a", self.inbox);
        self.send(&publish(subject, Some(&reply), said)).await?;
        let came = self.came(ANSWER_WAIT).await?;
        if came.status == Some(NOBODY) {
            return Err(self.place.fails(FailureKind::Transient, "nobody answers for streams there: start it with JetStream"));
        }
        Ok(came.message.body)
    }

    async fn send(&mut self, text: &str) -> Result<(), Failure> {
        let link = &mut self.link;
        let sending = async {
            link.write_all(text.as_bytes()).await?;
            link.flush().await
        };
        self.place.within(ANSWER_WAIT, sending).await
    }

    /// The next message of whatever kind; what the server asks meanwhile is answered.
    async fn came(&mut self, longest: Duration) -> Result<Came, Failure> {
        loop {
            match next_line(&self.place, &mut self.link, longest).await? {
                Line::Ping => self.send("PONG\r\n").await?,
                Line::Error(why) => return Err(self.place.fails(FailureKind::Transient, format!("it says: {}", short(&why)))),
                Line::Fine | Line::Info(_) => {}
                Line::Message { bytes, .. } if bytes > MESSAGE_BYTES_MAX => {
                    return Err(self
                        .place
                        .fails(FailureKind::Refused, format!("a message has {bytes} bytes: no server of NATS takes so many")));
                }
                Line::Message { reply, headers: head, bytes } => {
                    let mut all = vec![0; bytes + 2];
                    self.place.within(ANSWER_WAIT, self.link.read_exact(&mut all)).await?;
                    all.truncate(bytes);
                    let (status, headers) = headers(&all[..head]);
                    return Ok(Came { status, message: Message { headers, body: all.split_off(head), reply } });
                }
            }
        }
    }
}
