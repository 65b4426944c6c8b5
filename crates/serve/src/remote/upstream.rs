//! Servers that answer for versions: their addresses, and how they are treated. Told by the configuration and by nothing else.

use super::Program;
use crate::breaker::BreakerSettings;
use crate::limits;
use std::fmt;
use std::path::PathBuf;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// Name or number of the host.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// Reads `http://host:port` or `https://host`.
    ///
    /// # Errors
    /// A sentence, when it is no such address: with a path, a user, or another scheme.
    pub fn parse(text: &str) -> Result<Address, String> {
        // What has a user may have a password too.
        let shown = if text.contains('@') { "***" } else { text };
        let wrong = || format!("`{shown}` is no address of a server: write `http://127.0.0.1:8000`, without a path");
        let uri: hyper::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        // One that is no number of 16 bits must not become the scheme's own.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") | None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.trim_start_matches(':').parse().map_err(|_| wrong())?,
        };
        if authority.as_str().contains('@') || uri.path() != "/" || uri.query().is_some() {
            return Err(wrong());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Address { tls, host, port })
    }

    /// As it stands in `host`.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// A secret that no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Servers that answer the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Servers that share the requests.
    pub active: Vec<Address>,
    /// Servers that are kept ready for when no active one can answer.
    pub standby: Vec<Address>,
    /// Standby servers also answer what the active ones have no room for.
    pub burst: bool,
    /// Sent as a bearer token.
    pub token: Option<Secret>,
    /// Certificates of the authorities that vouch for the servers, PEM; those of the system without it.
    pub ca: Option<PathBuf>,
    /// Requests that one server answers at a time.
    pub in_flight_max: usize,
    /// Where fewer of the active servers are well than this share, those are asked too that fail too often, in basis points.
    pub panic_bp: u32,
    /// How often each server is asked whether it is there, in milliseconds.
    pub probe_every_ms: u64,
    /// How often each server answers its golden requests, in milliseconds.
    pub golden_every_ms: u64,
    /// What is started to answer, in place of servers that are there.
    pub program: Option<Program>,
    /// When a server that fails is left out.
    pub breaker: BreakerSettings,
}

impl Upstream {
    /// With the limits that are there when nothing else is said.
    #[must_use]
    pub fn new(name: impl Into<String>, active: Vec<Address>) -> Upstream {
        Upstream {
            name: name.into(),
            active,
            standby: Vec::new(),
            burst: false,
            token: None,
            ca: None,
            in_flight_max: limits::REPLICA_REQUESTS_MAX,
            panic_bp: 0,
            probe_every_ms: limits::PROBE_MS,
            golden_every_ms: limits::GOLDEN_MS,
            program: None,
            breaker: BreakerSettings { in_a_row: Some(limits::REPLICA_FAILURES_IN_A_ROW), ..BreakerSettings::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_servers_and_nothing_more() {
        let of = |text: &str| Address::parse(text).map(|a| (a.tls, a.host.clone(), a.port, a.to_string()));
        assert_eq!(of("http://127.0.0.1:8000/"), Ok((false, "127.0.0.1".into(), 8_000, "http://127.0.0.1:8000".into())));
        assert_eq!(of("https://triton"), Ok((true, "triton".into(), 443, "https://triton:443".into())));
        assert_eq!(of("http://10:10"), Ok((false, "10".into(), 10, "http://10:10".into())));
        assert!(!of("http://u:hunter2@h").unwrap_err().contains("hunter2"));
        assert_eq!(of("http://[::1]:9"), Ok((false, "::1".into(), 9, "http://[::1]:9".into())));
        for bad in ["", "triton:8000", "ftp://a", "http://", "http://u:p@h", "http://h/path", "http://h?x=1", "http://h:99999", "unix:/x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let upstream = Upstream { token: Some(Secret("hunter2".to_owned())), ..Upstream::new("a", vec![]) };
        assert!(!format!("{upstream:?}").contains("hunter2"));
    }
}
