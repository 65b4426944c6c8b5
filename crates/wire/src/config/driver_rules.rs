//! What spans several keys of a service that somebody else serves: its driver, its telemetry and the strategy of its releases.

use super::check::{Check, join};
use super::driver::{driver_of, strategy_of};
use super::ramp::reachable;
use super::rules::named;
use super::unit;
use crate::kubernetes::template_fits;
use crate::prometheus::{narrowed, unfilled};
use crate::yaml::Node;
use std::net::IpAddr;
use tidegate_core::judgement::named as names_of;

/// Longest name of an object of Kubernetes.
const NAME_CHARS_MAX: usize = 253;

impl Check<'_> {
    pub(super) fn driven(&mut self, path: &str, key: &Node, service: &Node, together: bool) {
        let Some((at, driver)) = service.entry("driver") else {
            if let Some((at, _)) = service.entry("telemetry") {
                let help = "take it out, or name a `driver`: the gateway of Tidegate counts its requests itself";
                self.say(at, path, "`telemetry` is for a service with a `driver`", Some(help));
            }
            return;
        };
        let here = join(path, "driver");
        for (kind, _, keys) in driver.as_map().unwrap_or(&[]).iter().map(|(k, v)| (k.text().unwrap_or_default(), k, v)) {
            let here = join(&here, &kind);
            match kind.as_ref() {
                "gateway_api" => self.gateway_api(&here, keys),
                "kserve" => self.kserve(&here, keys),
                "gitops" => self.gitops(&here, keys),
                _ => {}
            }
        }
        match service.get("telemetry") {
            Some(telemetry) => {
                self.token_in_the_clear(&join(path, "telemetry"), telemetry);
                self.selectors(&join(path, "telemetry"), telemetry);
                let file_alone = driver.get("gitops").is_some();
                self.places(&join(path, "telemetry"), telemetry, file_alone);
                if let Some(latency) = telemetry.get("latency").filter(|node| node.as_map().is_some()) {
                    let path = join(&join(path, "telemetry"), "latency");
                    self.places(&path, latency, file_alone);
                    self.buckets(&path, latency);
                }
            }
            None => {
                let help = "give `telemetry: { prometheus: .., candidate: .., control: .., errors: .. }`";
                self.say(at, path, "a service with a `driver` needs `telemetry`: without it nothing would be judged", Some(help));
            }
        }
        if let Some((at, _)) = service.entry("affinity") {
            self.say(at, path, "`affinity` is kept by the gateway of Tidegate alone, and another one answers here", None);
        }
        self.strategy_of(path, key, service, together);
    }

    fn flux(&mut self, path: &str, flux: &Node, beside_argo: bool) {
        self.api_server(path, flux);
        self.object_names(path, flux, &["kustomization", "helm_release", "helm_namespace"]);
        if flux.get("kustomization").or(flux.get("helm_release")).is_none() {
            let help = "name the `kustomization` that applies the file, the `helm_release` that deploys it, or both";
            self.say(flux, path, "it names nothing that could say when a commit is applied", Some(help));
        }
        if let (Some((at, _)), None) = (flux.entry("helm_namespace"), flux.get("helm_release")) {
            self.say(at, path, "`helm_namespace` without `helm_release`", None);
        }
        if beside_argo {
            self.say(flux, path, "`argo_cd` is given too: one of them applies it", None);
        }
    }

    /// A token goes to a server that is known by its certificate, or to this machine.
    fn token_in_the_clear(&mut self, path: &str, telemetry: &Node) {
        let url = telemetry.get("prometheus").and_then(Node::text).unwrap_or_default();
        if let (Some((at, _)), true) = (telemetry.entry("token"), url.starts_with("http://") && !on_this_machine(&url)) {
            self.say(at, &join(path, "token"), "a token would cross the network in the clear", Some("ask by `https`, or take it out"));
        }
    }

    /// Selectors of buckets, of two versions.
    fn buckets(&mut self, path: &str, latency: &Node) {
        let text = |key: &str| latency.get(key).and_then(Node::text).unwrap_or_default();
        for arm in ["candidate", "control"] {
            let (Some(at), Err(why)) = (latency.get(arm), narrowed(&unfilled(&text(arm)), "")) else { continue };
            self.say(at, &join(path, arm), &why, Some("name the buckets of one histogram: the judge takes what they grew by"));
        }
        if let (Some(at), true) = (latency.get("control"), text("candidate") == text("control")) {
            self.say(at, &join(path, "control"), "candidate and control are the same histogram", Some("they differ by a label"));
        }
    }

    /// What selectors stand for: a file says nothing of where its versions run.
    fn places(&mut self, path: &str, telemetry: &Node, file_alone: bool) {
        for arm in ["candidate", "control"] {
            let Some((at, text)) = telemetry.get(arm).and_then(|at| Some((at, at.text()?.into_owned()))) else { continue };
            let known = [arm.to_owned(), format!("{arm}_place")];
            let known = if file_alone { known.get(..1).unwrap_or_default() } else { &known };
            if let Some(name) = names_of(&text).find(|name| !known.iter().any(|k| k == name)) {
                let message = format!("nothing is known as `{{{{{name}}}}}`: here it is {}", known.join(" or "));
                self.say(at, &join(path, arm), &message, None);
            }
        }
    }

    /// Whether the driver can do what the strategy of its releases asks for.
    fn strategy_of(&mut self, path: &str, key: &Node, service: &Node, together: bool) {
        let Some((at, release)) = service.entry("release") else { return };
        let Some(driver) = driver_of(service) else { return };
        let at = if release.line > 0 {
            release
        } else if at.line > 0 {
            at
        } else {
            key
        };
        for name in reachable(self.root, &release.text().unwrap_or_default()) {
            let Some(strategy) = self.root.get("releases").and_then(|all| all.get(&name)) else { continue };
            for cannot in driver.cannot(&strategy_of(strategy), together) {
                let help = "name a strategy of canaries as `release`, as `steps: [{ canary: { weights: [5, 25, 50] } }, { promote: {} }]`";
                self.say(at, &join(path, "release"), &format!("strategy `{name}`: {cannot}"), Some(help));
            }
        }
    }

    fn gateway_api(&mut self, path: &str, keys: &Node) {
        self.api_server(path, keys);
        self.object_names(path, keys, &["route", "backends"]);
        self.two_differ(path, keys.get("backends"));
        if let Some(workloads) = keys.get("workloads") {
            let path = join(path, "workloads");
            self.object_names(&path, workloads, &["deployments"]);
            self.two_differ(&path, workloads.get("deployments"));
            for patch in ["load", "unload"] {
                if let Some((at, Err(why))) = workloads.entry(patch).map(|(at, node)| (at, template_fits(&node.to_json()))) {
                    self.say(at, &join(&path, patch), &why, None);
                }
            }
            if let (None, Some((at, _))) = (workloads.get("load"), workloads.entry("unload")) {
                self.say(at, &path, "`unload` without `load`: nothing would bring back what it took away", None);
            }
        }
    }

    fn kserve(&mut self, path: &str, keys: &Node) {
        self.api_server(path, keys);
        self.object_names(path, keys, &["service"]);
        let text = |node: &Node| node.text().unwrap_or_default().into_owned();
        if let Some(at) = keys.get("storage_uri").filter(|node| !text(node).contains("{version}") || !text(node).contains("://")) {
            let help = "as `s3://models/ranker/{version}`";
            self.say(at, &join(path, "storage_uri"), "it is no address with `{version}` in it: all versions would be one", Some(help));
        }
    }

    fn gitops(&mut self, path: &str, keys: &Node) {
        let text = |key: &str| keys.get(key).and_then(Node::text).unwrap_or_default().into_owned();
        let repository = text("repository");
        let user = repository.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@')).map(|(user, _)| user);
        let why = if repository.starts_with('-') || repository.contains("::") || repository.contains(char::is_control) {
            Some("it is no address or path of a repository")
        } else if user.is_some_and(|user| user.contains(':')) {
            Some("a password does not belong in this file: name a variable as `token`")
        } else if repository.starts_with("http://") && !on_this_machine(&repository) {
            Some("what is pushed there could be read and changed on its way: take `https` or `ssh`")
        } else {
            None
        };
        if let (Some(why), Some(at)) = (why, keys.get("repository")) {
            self.say(at, &join(path, "repository"), why, None);
        }
        let branch = text("branch");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if let (Some(at), true) =
            (keys.get("branch"), !branch.chars().all(plain) || branch.starts_with(['-', '/']) || branch.contains(".."))
        {
            self.say(at, &join(path, "branch"), "it is no name of a branch", None);
        }
        if let (Some(at), Err(why)) = (keys.get("file"), unit::inside(&text("file"))) {
            self.say(at, &join(path, "file"), &why, None);
        }
        let total = text("total").parse::<u32>().unwrap_or(100);
        if let (Some(at), true) = (keys.get("total"), total > 0 && 10_000 % total != 0) {
            self.say(at, &join(path, "total"), &format!("{total} does not divide 10000: parts of percents would be lost"), None);
        }
        let mut seen: Vec<String> = vec![];
        for (i, slot) in keys.get("slots").and_then(Node::as_seq).unwrap_or(&[]).iter().enumerate() {
            for key in ["version", "weight"] {
                let Some((at, pointer)) = slot.get(key).and_then(|at| Some((at, at.text()?.into_owned()))) else { continue };
                let here = format!("{path}.slots[{i}].{key}");
                if !pointer.starts_with('/') {
                    self.say(at, &here, "it is no JSON pointer into the file, as `/canary/version`", None);
                } else if seen.contains(&pointer) {
                    self.say(at, &here, "another one points there already", None);
                }
                seen.push(pointer);
            }
        }
        if let Some(argo) = keys.get("argo_cd") {
            self.api_server(&join(path, "argo_cd"), argo);
            self.object_names(&join(path, "argo_cd"), argo, &["application"]);
        }
        if let Some(flux) = keys.get("flux") {
            self.flux(&join(path, "flux"), flux, keys.get("argo_cd").is_some());
        }
    }

    /// A token goes to a server that is known by its certificate, or to this machine.
    fn api_server(&mut self, path: &str, keys: &Node) {
        self.object_names(path, keys, &["namespace"]);
        let url = keys.get("server").and_then(|at| Some((at, at.text()?.into_owned())));
        match &url {
            Some((at, url)) if url.starts_with("http://") && !on_this_machine(url) => {
                let help = "`https` and, where its authority is not known to the system, `ca`";
                self.say(at, &join(path, "server"), "a token would cross the network in the clear", Some(help));
            }
            Some(_) => {}
            None => {
                if let Some((at, _)) = keys.entry("token").or_else(|| keys.entry("ca")) {
                    let why = "without a `server` the files of the pod that Tidegate runs in are taken, and this is for another";
                    self.say(at, path, why, Some("name the `server`, or take this out"));
                }
            }
        }
    }

    fn object_names(&mut self, path: &str, node: &Node, keys: &[&str]) {
        for key in keys {
            let Some(value) = node.get(key) else { continue };
            for one in value.as_seq().unwrap_or(std::slice::from_ref(value)) {
                let name = one.text().unwrap_or_default();
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
                let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                if name.len() > NAME_CHARS_MAX || !name.chars().all(fits) || !ends(name.chars().next()) || !ends(name.chars().last()) {
                    let help = "small letters, digits, `-` and `.`, as Kubernetes has it";
                    self.say(one, &join(path, key), &format!("`{name}` is no name of an object"), Some(help));
                }
            }
        }
    }

    fn two_differ(&mut self, path: &str, list: Option<&Node>) {
        if let Some([first, second]) = list.and_then(Node::as_seq)
            && first.text() == second.text()
        {
            self.say(second, path, "both are the same: two take turns", None);
        }
    }
}

/// Whether an address is one of this machine.
fn on_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The strategies that trainings of services with a driver release by: looked at like those of the services.
impl Check<'_> {
    pub(super) fn driven_trainings(&mut self) {
        let services = named(self.root, "services");
        for (model, _, retrain) in named(self.root, "retrain") {
            let Some((at, name)) = retrain.get("release").and_then(|at| Some((at, at.text()?.into_owned()))) else { continue };
            let all = reachable(self.root, &name);
            let strategies = || all.iter().filter_map(|name| Some((name, self.root.get("releases")?.get(name)?)));
            let of = |service: &Node| service.get("model").and_then(Node::text).as_deref() == Some(model.as_str());
            let mut cannot = vec![];
            for (service, _, node) in services.iter().filter(|(_, _, service)| of(service)) {
                let Some(driver) = driver_of(node) else { continue };
                for (name, strategy) in strategies() {
                    let of = format!("strategy `{name}`, of service `{service}`");
                    cannot.extend(driver.cannot(&strategy_of(strategy), false).into_iter().map(|why| format!("{of}: {why}")));
                }
            }
            for why in cannot {
                self.say(at, &format!("retrain.{model}.release"), &why, None);
            }
        }
    }
}
