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
    /// A program that is started in their place.
    pub program: Option<UpstreamProgram>,
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

/// A program that answers for versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamProgram {
    /// The program and its arguments; `{port}` becomes the port.
    pub command: Vec<String>,
    /// How many share the requests to one version.
    pub copies: u32,
    /// Time to be ready, in milliseconds.
    pub ready_ms: u64,
    /// Time to end, in milliseconds.
    pub stop_ms: u64,
    /// Times that it is started again.
    pub restarts: u32,
    /// Names of variables that it gets.
    pub environment: Vec<String>,
}

fn program(view: View<'_>) -> Option<UpstreamProgram> {
    Some(UpstreamProgram {
        command: view.at("command").there()?.texts(),
        copies: view.at("copies").whole(),
        ready_ms: view.at("ready").ms().unwrap_or_default(),
        stop_ms: view.at("stop").ms().unwrap_or_default(),
        restarts: view.at("restarts").whole(),
        environment: view.at("environment").texts(),
    })
}

pub(super) fn upstream(view: View<'_>) -> Upstream {
    Upstream {
        servers: view.at("servers").texts(),
        program: program(view),
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

/// The host of an address, without its port.
fn host_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(host),
        _ => Some(authority),
    }
}

impl Check<'_> {
    pub(super) fn upstreams(&mut self) {
        let root = self.root;
        for (name, key, upstream) in named(root, "upstreams") {
            let here = format!("upstreams.{name}");
            if upstream.get("servers").is_some() == upstream.get("command").is_some() {
                let help =
                    "give `servers: http://127.0.0.1:8000`, or `command: [python, serve.py, --port, \"{port}\"]` to have one started";
                self.say(key, &here, "one of `servers` and `command` says who answers", Some(help));
            }
            if let (Some(node), None) = (upstream.get("environment"), upstream.get("command")) {
                self.say(node, &format!("{here}.environment"), "it is of a `command`, and there is none", None);
            }
            let apart = upstream.get("apart").and_then(Node::text).is_some_and(|word| word == "true");
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
                    if apart
                        && let Some(host) = host_of(&address)
                        && seen.iter().any(|known| host_of(known) == Some(host))
                    {
                        let help = "name one on another host, or leave `apart` out";
                        self.say(
                            server,
                            &path,
                            &format!("another server is on {host} too, and `apart` wants each on a host of its own"),
                            Some(help),
                        );
                    }
                    seen.push(address);
                }
            }
        }
    }
}
