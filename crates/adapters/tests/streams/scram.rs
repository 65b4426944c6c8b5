//! A server's part of SCRAM (RFC 5802), for the gate before a broker.

use crate::gate::{Check, LOGIN, Said};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

const SALT: &[u8] = b"of the test alone";
const ROUNDS: u32 = 4_096;

/// Whether a server proves to know the password itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Honest,
    Liar,
}

pub fn sha_256(server: Server) -> Check {
    scram(hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256, &digest::SHA256, server)
}

pub fn sha_512(server: Server) -> Check {
    scram(hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512, &digest::SHA512, server)
}

fn scram(mac: hmac::Algorithm, derive: pbkdf2::Algorithm, hash: &'static digest::Algorithm, server: Server) -> Check {
    let sign = move |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(mac, key), text.as_bytes()).as_ref().to_vec();
    // What was said first, by either.
    let mut begun: Option<(String, String)> = None;
    Box::new(move |part| {
        let text = String::from_utf8(part.to_vec()).unwrap();
        let Some((client, said)) = begun.clone() else {
            let client = text.strip_prefix("n,,").unwrap().to_owned();
            let (login, nonce) = client.split_once(",r=").unwrap();
            if login != format!("n={}", LOGIN.0) {
                return Said::Denied;
            }
            let said = format!("r={nonce}of-the-server,s={},i={ROUNDS}", BASE64_STANDARD.encode(SALT));
            begun = Some((client, said.clone()));
            return Said::More(said.into_bytes());
        };
        let (last, proof) = text.split_once(",p=").unwrap();
        let all = format!("{client},{said},{last}");
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(derive, NonZeroU32::new(ROUNDS).unwrap(), SALT, LOGIN.1.as_bytes(), &mut salted);
        let stored = digest::digest(hash, &sign(&salted, "Client Key"));
        let signature = sign(stored.as_ref(), &all);
        let key: Vec<u8> = BASE64_STANDARD.decode(proof).unwrap().iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let nonce = said.split(',').next().unwrap();
        if digest::digest(hash, &key).as_ref() != stored.as_ref() || last != format!("c=biws,{nonce}") {
            return Said::Denied;
        }
        let known = if server == Server::Honest { sign(&salted, "Server Key") } else { vec![0; 32] };
        Said::In(format!("v={}", BASE64_STANDARD.encode(sign(&known, &all))).into_bytes())
    })
}
