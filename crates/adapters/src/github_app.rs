//! Tokens of a GitHub App's installation: only an App may answer a deployment protection rule, and its tokens end after an hour.
//! Not here: the private key's place, and when another token is needed.

use crate::{AnswerError, Http, Request, answered, github};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// How long the proof of who we are counts; GitHub takes at most ten minutes.
const PROOF_S: i64 = 540;
/// GitHub's clock may be behind ours.
const SKEW_S: i64 = 60;

/// An App, as GitHub knows it.
pub struct App<'a> {
    /// Address of the API.
    pub api: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its private key, as GitHub made it (PEM, `BEGIN RSA PRIVATE KEY`).
    pub key: &'a str,
}

/// A token for what the App may do in a repository, its right to write deployments alone.
///
/// # Errors
/// When the key is none, or GitHub does not give one.
pub fn token(http: &dyn Http, app: &App<'_>, repository: &str, now_s: i64) -> Result<String, AnswerError> {
    let proof = proof(app, now_s)?;
    let ask = |method, url: String, body| answered(http, &Request { method, url, headers: github::headers(&proof), body, sign: None });
    let installation = ask("GET", format!("{}/repos/{repository}/installation", app.api), None)?;
    let id = installation["id"].as_u64().ok_or_else(|| AnswerError::Key("GitHub names no installation of the App".to_owned()))?;
    let name = repository.rsplit('/').next().unwrap_or_default();
    let wanted = json!({ "repositories": [name], "permissions": { "deployments": "write" } });
    let made = ask("POST", format!("{}/app/installations/{id}/access_tokens", app.api), Some(wanted))?;
    let token = made["token"].as_str().ok_or_else(|| AnswerError::Key("GitHub gave no token of the installation".to_owned()))?;
    Ok(token.to_owned())
}

/// Who we are, signed: a JSON Web Token by RS256.
fn proof(app: &App<'_>, now_s: i64) -> Result<String, AnswerError> {
    let wrong = |why: &str| AnswerError::Key(format!("the App's private key {why}: give it as GitHub made it"));
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iat": now_s - SKEW_S, "exp": now_s + PROOF_S, "iss": app.id });
    let said = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let (der, pkcs8) = der(app.key).ok_or_else(|| wrong("is no PEM"))?;
    let key = if pkcs8 { RsaKeyPair::from_pkcs8(&der) } else { RsaKeyPair::from_der(&der) };
    let key = key.map_err(|_| wrong("is no RSA key of 2048 bits or more"))?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), said.as_bytes(), &mut signature).map_err(|_| wrong("cannot sign"))?;
    Ok(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The bytes of a PEM, and whether they are PKCS#8. In a variable its lines may be one, with `\n` written out.
fn der(pem: &str) -> Option<(Vec<u8>, bool)> {
    let pem = pem.replace("\\n", "\n");
    ["RSA PRIVATE KEY", "PRIVATE KEY"].into_iter().find_map(|kind| {
        let inner = pem.split_once(&format!("-----BEGIN {kind}-----"))?.1.split_once(&format!("-----END {kind}-----"))?.0;
        let text: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
        Some((STANDARD.decode(text).ok()?, kind == "PRIVATE KEY"))
    })
}
