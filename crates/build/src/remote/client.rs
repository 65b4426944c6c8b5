//! The HTTP client of remotes: it stays with the host that it was sent to.
//!
//! A redirect to another host, another port, or from TLS to plain text is refused by name: it would carry data, and headers
//! with secrets, to where no configuration sends them.

use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, HeaderMap};
use reqwest::Url;
use reqwest::redirect::{Attempt, Policy};
use std::time::Duration;

/// Redirects that are followed, one after the other, before it counts as a circle.
const REDIRECTS_MAX: usize = 5;
/// How the client names itself.
const AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// What a client is made from. The options of the library are not used: they cannot say that redirects are refused.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// How long nothing may come before a transfer is given up, where its reader does not see to that.
    pub(super) stall: Option<Duration>,
    /// How long connecting may take.
    pub(super) connect: Duration,
    /// Without TLS.
    pub(super) plain: bool,
    /// Sent with each request.
    pub(super) headers: HeaderMap,
    /// Certificates to trust beside the system's.
    pub(super) certificates: Vec<reqwest::Certificate>,
    /// Any certificate is taken.
    pub(super) trusts_any: bool,
}

impl HttpConnector for Client {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // Compressed answers would have other lengths than the objects.
        let mut builder = reqwest::Client::builder()
            .user_agent(AGENT)
            .connect_timeout(self.connect)
            .default_headers(self.headers.clone())
            .https_only(!self.plain)
            .redirect(Policy::custom(follow));
        if let Some(stall) = self.stall {
            builder = builder.read_timeout(stall);
        }
        for certificate in &self.certificates {
            builder = builder.add_root_certificate(certificate.clone());
        }
        if self.trusts_any {
            builder = builder.danger_accept_invalid_certs(true);
        }
        let client = builder.build().map_err(|e| object_store::Error::Generic { store: "HTTP", source: Box::new(e) })?;
        Ok(HttpClient::new(client))
    }
}

/// A redirect that is not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Redirected {
    #[error(
        "{from} sends the request on to {to}, which is not the configured host: not followed; if it is meant, make it the remote's url"
    )]
    Elsewhere { from: String, to: String },
    #[error("{0} sends the request on more than {REDIRECTS_MAX} times: given up")]
    Circle(String),
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let Some(first) = attempt.previous().first() else { return attempt.stop() };
    let from = place(first);
    if !same_host(first, attempt.url()) {
        let to = place(attempt.url());
        return attempt.error(Redirected::Elsewhere { from, to });
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(Redirected::Circle(from));
    }
    attempt.follow()
}

/// Scheme, host and port: what may be said of an address without its secrets.
fn place(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |p| format!(":{p}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// The same host and port, or the same host with TLS where there was none.
fn same_host(from: &Url, to: &Url) -> bool {
    let upgraded = (from.scheme(), from.port(), to.scheme(), to.port()) == ("http", None, "https", None);
    from.host_str() == to.host_str()
        && (upgraded || (from.scheme(), from.port_or_known_default()) == (to.scheme(), to.port_or_known_default()))
}

/// The refusal of a redirect among the causes of an error.
pub(super) fn redirected<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Redirected> {
    std::iter::successors(Some(error), |e| e.source()).find_map(|e| e.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::{place, same_host};
    use reqwest::Url;

    #[test]
    fn a_host_is_told_from_another() {
        let same = |from: &str, to: &str| same_host(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert!(same("https://a.b/x", "https://a.b:443/y?z"));
        assert!(same("http://a.b/x", "https://a.b/x"));
        assert!(!same("https://a.b/x", "http://a.b/x"));
        assert!(!same("http://a.b/x", "http://a.b:8080/x"));
        assert!(!same("http://a.b:9000/x", "https://a.b/x"));
        assert!(!same("https://a.b/x", "https://a.b.c/x"));
        assert_eq!(place(&Url::parse("https://user:secret@host:1/path?sig=x").unwrap()), "https://host:1");
    }
}
