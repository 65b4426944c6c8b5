//! Servers elsewhere that answer for versions: as values, and what of them spans several keys.

use super::check::Check;
use super::read::View;
use super::rules::named;
use crate::yaml::Node;
use std::borrow::Cow;
use std::path::PathBuf;

/// Servers that answer the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Addresses of those that share the requests.
    pub servers: Vec<String>,
    /// Addresses of those that are kept ready.
    pub standby: Vec<String>,
    /// Standby servers also answer what the others have no room for.
    pub burst: bool,
    /// Name of the environment variable with a bearer token.
    pub token: Option<String>,
    /// File with the certificates of authorities.
    pub ca: Option<PathBuf>,
    /// Requests that one server answers at a time.
    pub requests: u32,
    /// Where fewer are well than this share, those are asked too that fail too often, in basis points.
    pub panic_below_bp: u32,
    /// How often each is asked whether it is there, in milliseconds.
    pub probe_ms: u64,
    /// How often each answers a golden request, in milliseconds.
    pub golden_ms: u64,
}

pub(super) fn upstream(view: View<'_>) -> Upstream {
    Upstream {
        servers: view.at("servers").texts(),
        standby: view.at("standby").texts(),
        burst: view.at("burst").word("true"),
        token: view.at("token").text(),
        ca: view.at("ca").text().map(PathBuf::from),
        requests: view.at("requests").whole(),
        panic_below_bp: view.at("panic_below").bp().unwrap_or_default(),
        probe_ms: view.at("probe").ms().unwrap_or_default(),
        golden_ms: view.at("golden").ms().unwrap_or_default(),
    }
}

impl Check<'_> {
    pub(super) fn upstreams(&mut self) {
        let root = self.root;
        for (name, _, upstream) in named(root, "upstreams") {
            let mut seen: Vec<Cow<'_, str>> = Vec::new();
            for key in ["servers", "standby"] {
                let Some(node) = upstream.get(key) else { continue };
                let each: &[Node] = node.as_seq().unwrap_or(std::slice::from_ref(node));
                for server in each {
                    let Some(address) = server.text() else { continue };
                    let path = format!("upstreams.{name}.{key}");
                    let bare = address.trim_end_matches('/');
                    if bare.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
                        let help = "name the server alone, as `http://127.0.0.1:8000`";
                        self.say(server, &path, "it has a path, and the protocol's paths are added to it", Some(help));
                    }
                    if seen.iter().any(|known| known.trim_end_matches('/') == bare) {
                        self.say(server, &path, "this server is named twice: it would get twice the requests", None);
                    }
                    seen.push(address);
                }
            }
        }
    }
}
