//! Who asks a broker of Kafka's protocol must show who they are: a gate before a broker that asks nobody. It plays the broker's part of SASL,
//! byte by byte as the protocol has it, lets questions for versions through, and then passes everything on. Kafka's own Python client goes
//! through it, too, so that what is played is not only what our own client takes for it.
#![allow(dead_code)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

/// Keys of the protocol, and its errors.
const HANDSHAKE: i16 = 17;
const VERSIONS: i16 = 18;
const AUTHENTICATE: i16 = 36;
const UNKNOWN_MECHANISM: i16 = 33;
const UNKNOWN_LOGIN: i16 = 58;

/// Login and password that are let in.
pub const LOGIN: (&str, &str) = ("ada", "a secret");

/// What is said to a part of a proof.
pub enum Said {
    /// Another one is to come.
    More(Vec<u8>),
    /// It is who it says.
    In(Vec<u8>),
    /// It is not.
    Denied,
}

/// Looks at the parts of one proof, one after another.
pub type Check = Box<dyn FnMut(&[u8]) -> Said + Send>;

/// The proof that is the password itself. A client may say for whom it acts.
pub fn plain() -> Check {
    Box::new(|proof| {
        let parts: Vec<&[u8]> = proof.split(|byte| *byte == 0).collect();
        let fits = parts.len() == 3 && (parts[0].is_empty() || parts[0] == LOGIN.0.as_bytes());
        if fits && parts[1] == LOGIN.0.as_bytes() && parts[2] == LOGIN.1.as_bytes() { Said::In(vec![]) } else { Said::Denied }
    })
}

/// A gate; it stands as long as the test.
pub struct Gate {
    port: u16,
}

impl Gate {
    /// One before the broker at this port, which knows one mechanism.
    pub fn before(broker: u16, mechanism: &'static str, check: impl Fn() -> Check + Send + 'static) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let check = check();
                // Who hangs up is gone.
                std::thread::spawn(move || drop(serve(near, broker, mechanism, check)));
            }
        });
        Gate { port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// What Kafka's Python client is told, so that it is let in.
pub fn settings(mechanism: &str) -> serde_json::Value {
    serde_json::json!({ "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "sasl_plain_username": LOGIN.0,
        "sasl_plain_password": LOGIN.1,
        "api_version": [2, 3], "enable_idempotence": false })
}

fn serve(mut near: TcpStream, broker: u16, mechanism: &str, mut check: Check) -> std::io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", broker))?;
    let mut shaken = false;
    loop {
        let frame = frame(&mut near)?;
        let (key, version) = (number(&frame, 0), number(&frame, 2));
        // Behind the number of the question stands the client's name.
        let mut body = &frame[10 + usize::try_from(number(&frame, 8)).unwrap_or(0)..];
        let mut answer = frame[4..8].to_vec();
        let goes = match (key, version) {
            (VERSIONS, _) => {
                tell(&mut far, &frame)?;
                answer = self::frame(&mut far)?;
                true
            }
            (HANDSHAKE, 1) => {
                let asked = &body[2..2 + usize::try_from(number(body, 0)).unwrap()];
                shaken = asked == mechanism.as_bytes();
                answer.extend(if shaken { 0 } else { UNKNOWN_MECHANISM }.to_be_bytes());
                answer.extend(1_i32.to_be_bytes());
                answer.extend(i16::try_from(mechanism.len()).unwrap().to_be_bytes());
                answer.extend(mechanism.as_bytes());
                true
            }
            (AUTHENTICATE, 0 | 1) if shaken => {
                let length = i32::from_be_bytes(body[..4].try_into().unwrap());
                body = &body[4..];
                assert_eq!(usize::try_from(length).unwrap(), body.len(), "nothing stands behind the proof");
                let (code, proof, more) = match check(body) {
                    Said::More(proof) => (0, proof, true),
                    Said::In(proof) => (0, proof, false),
                    Said::Denied => (UNKNOWN_LOGIN, vec![], true),
                };
                answer.extend(code.to_be_bytes());
                answer.extend((-1_i16).to_be_bytes());
                answer.extend(i32::try_from(proof.len()).unwrap().to_be_bytes());
                answer.extend(proof);
                if version == 1 {
                    answer.extend(0_i64.to_be_bytes());
                }
                more
            }
            // Nothing else is answered to a stranger.
            _ => return near.shutdown(Shutdown::Both),
        };
        tell(&mut near, &answer)?;
        if !goes {
            break;
        }
    }
    let (mut back, mut there) = (far.try_clone()?, near.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut there);
        let _ = there.shutdown(Shutdown::Both);
    });
    std::io::copy(&mut near, &mut far)?;
    far.shutdown(Shutdown::Both)
}

fn number(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn tell(to: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    to.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes())?;
    to.write_all(frame)
}
