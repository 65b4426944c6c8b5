//! Webhooks of tools, signed as Standard Webhooks says (<https://www.standardwebhooks.com>).

use crate::{Http, Request, TellError, took};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

/// Something to be told to a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The same each time that it is tried: by it a tool knows what it has.
    pub id: String,
    /// Its JSON.
    pub body: Value,
    /// Headers beside those of the signature.
    pub headers: Vec<(String, String)>,
}

/// Hands it in. `now_s` is the time of this attempt; without a `secret` it is not signed.
///
/// # Errors
/// When it was not taken, or the secret is none.
pub fn send(http: &dyn Http, url: &str, secret: Option<&str>, told: Told, now_s: i64) -> Result<(), TellError> {
    let Told { id, body, mut headers } = told;
    headers.push(("webhook-id".to_owned(), id.clone()));
    headers.push(("webhook-timestamp".to_owned(), now_s.to_string()));
    if let Some(secret) = secret {
        headers.push(("webhook-signature".to_owned(), signature(secret, &id, now_s, &body.to_string())?));
    }
    took(http, &Request { method: "POST", url: url.to_owned(), headers, body: Some(body), sign: None })
}

fn signature(secret: &str, id: &str, now_s: i64, body: &str) -> Result<String, TellError> {
    let key = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()).ok_or(TellError::Secret)?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{now_s}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // Made by the `standardwebhooks` package of PyPI, 1.1.0.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", ""] {
            assert_eq!(signature(secret, "a", 0, "").unwrap_err(), TellError::Secret);
        }
    }
}
