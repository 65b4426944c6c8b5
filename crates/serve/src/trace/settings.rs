//! Where spans go and how many of them.

use crate::remote::{Address, Secret};
use hyper::header::{HeaderName, HeaderValue};
use std::path::PathBuf;

/// Where spans go.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The receiver.
    pub endpoint: Endpoint,
    /// Share of the traces begun here that are recorded, from 0 to 1; of others, their caller decides.
    pub ratio: f64,
    /// `service.name` of all spans.
    pub service_name: String,
    /// Sent with each request.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Certificates of the authorities that vouch for the receiver, PEM; those of the system without it.
    pub ca: Option<PathBuf>,
    /// Time for the answer to one request, in milliseconds.
    pub timeout_ms: u64,
}

/// A receiver of OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The server, and no other: redirects are not followed.
    pub address: Address,
    /// Where it takes spans.
    pub path: String,
}

impl Endpoint {
    /// Reads `http://127.0.0.1:4318`; the path of traces is added, as to `OTEL_EXPORTER_OTLP_ENDPOINT`.
    ///
    /// # Errors
    /// A sentence, when it is no such address.
    pub fn parse(text: &str) -> Result<Endpoint, String> {
        let after = text.find("://").map_or(text.len(), |at| at + 3);
        let slash = text.get(after..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| after + at);
        let (server, path) = text.split_at_checked(slash).unwrap_or((text, ""));
        let path = path.trim_end_matches('/');
        if path.bytes().any(|b| !b.is_ascii_graphic() || b"?#".contains(&b)) {
            return Err("a receiver's path holds no `?`, no `#` and no spaces: write `http://127.0.0.1:4318`".to_owned());
        }
        let address = Address::parse(server).map_err(|why| why.replace(", without a path", "").replace(":8000", ":4318"))?;
        Ok(Endpoint { address, path: format!("{path}/v1/traces") })
    }
}

/// Reads headers as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,name=value`, values with `%XX` where they need it.
///
/// # Errors
/// A sentence that shows no value.
pub fn headers(text: &str) -> Result<Vec<(HeaderName, Secret)>, String> {
    let each = text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).enumerate();
    each.map(|(at, pair)| {
        let wrong = |what: &str| format!("header {} is {what}: write `name=value,name=value`", at + 1);
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("no `name=value`"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong("called as no header can be"))?;
        let value = unescaped(value.trim()).ok_or_else(|| wrong("escaped wrongly"))?;
        HeaderValue::try_from(&value).map_err(|_| wrong("of characters that no header can hold"))?;
        Ok((name, Secret(value)))
    })
    .collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |rest: &mut std::str::Bytes<'_>| char::from(rest.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { digit(&mut rest)? << 4 | digit(&mut rest)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_to_an_address() {
        let of = |text: &str| Endpoint::parse(text).map(|e| format!("{}{}", e.address, e.path));
        assert_eq!(of("http://127.0.0.1:4318"), Ok("http://127.0.0.1:4318/v1/traces".to_owned()));
        assert_eq!(of("https://collector/otlp/"), Ok("https://collector:443/otlp/v1/traces".to_owned()));
        assert_eq!(of("http://[::1]:4318/"), Ok("http://[::1]:4318/v1/traces".to_owned()));
        for bad in
            ["", "127.0.0.1:4318", "grpc://h:4317", "http://h?x=1", "http://h/a b", "http://h/a?k=v", "http://u:hunter2@h", "http:///x"]
        {
            let why = of(bad).unwrap_err();
            assert!(why.contains("4318") && !why.contains("hunter2"), "{bad}: {why}");
        }
    }

    #[test]
    fn headers_are_read_as_the_variable_of_opentelemetry_has_them() {
        let of = |text: &str| headers(text).map(|all| all.into_iter().map(|(n, v)| format!("{n}: {}", v.0)).collect::<Vec<_>>().join("; "));
        assert_eq!(of("x-api-key=hunter2, Authorization=Basic%20a2V5,"), Ok("x-api-key: hunter2; authorization: Basic a2V5".to_owned()));
        assert_eq!(of(""), Ok(String::new()));
        assert_eq!(of("a=b=c"), Ok("a: b=c".to_owned()));
        for bad in ["hunter2", "a b=hunter2", "a=hunter2%", "a=hunter2%zz", "a=hunter2%0a", "=hunter2"] {
            let why = of(bad).unwrap_err();
            assert!(why.starts_with("header 1 is ") && !why.contains("hunter2"), "{bad}: {why}");
        }
        assert!(!format!("{:?}", headers("k=hunter2")).contains("hunter2"));
    }
}
