//! Kubernetes' Gateway API: the weights of two backends of an `HTTPRoute`, and the Deployments behind them.
//!
//! A Deployment is changed while its backend has no weight, and never else; the weights are read again after each change.

use crate::kubernetes::{Cluster, Merge, deployment};
use crate::traffic::{Release, Seen, Standing, Traffic};
use serde_json::Value;
use tidegate_core::places::{Place, Unplaced, home, place, split};
use tidegate_core::rollout::Role;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::GatewayApi;
use tidegate_wire::gateway_api::{Unusable, acceptance, only_silent, weights, weights_patch};
use tidegate_wire::kubernetes::{Progress, answers_nobody, availability, has, stamped, version_of, version_patch};

/// How long a way back waits for a gateway that never said anything: as long as a way forward waits until it is held.
const SILENT_MS: u64 = 60_000;

/// A route and what is behind it.
pub struct Routed {
    /// Where.
    pub cluster: Cluster,
    /// What.
    pub to: GatewayApi,
}

/// The places and the objects that they were read from.
struct Read {
    places: [Place; 2],
    deployments: [Value; 2],
    route: Value,
}

impl Routed {
    fn route(&self) -> String {
        format!("/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/{}", self.to.server.namespace, self.to.route)
    }

    fn deployment(&self, at: usize) -> String {
        deployment(&self.to.server.namespace, &self.to.deployments[at])
    }

    fn read(&self) -> Result<Read, Failure> {
        // One that is gone has no version; whoever needs it says so, and nobody else waits for it.
        let of = |at: usize| match self.cluster.get(&self.deployment(at)) {
            Err(failure) if failure.kind == FailureKind::Gone => Ok(Value::Null),
            other => other,
        };
        let deployments = [of(0)?, of(1)?];
        // The route last: what it says of weights is the newest of all.
        let route = self.cluster.get(&self.route())?;
        let weights = weights(&route, self.to.rule, &self.to.backends).map_err(|why| self.unusable(&why))?;
        let place = |at: usize| Place { name: self.to.deployments[at].clone(), version: version_of(&deployments[at]), weight: weights[at] };
        Ok(Read { places: [place(0), place(1)], deployments, route })
    }

    fn unusable(&self, why: &Unusable) -> Failure {
        Failure { kind: FailureKind::Refused, operation: "use", object: self.route(), detail: why.to_string() }
    }

    fn unplaced(&self, why: &Unplaced) -> Failure {
        Failure { kind: FailureKind::Refused, operation: "find a Deployment behind", object: self.route(), detail: why.to_string() }
    }

    /// Patches a Deployment as long as its backend has no weight.
    fn patch_idle(&self, at: usize, patch: &dyn Fn(&Value) -> Value) -> Result<(), Failure> {
        let path = self.deployment(at);
        self.cluster.bring(&path, Merge::Strategic, |object| {
            let asked = patch(object);
            if has(object, &asked) {
                return Ok(None);
            }
            // Looked at again right before: the newest weights decide whether it may be touched.
            let now = self.cluster.get(&self.route())?;
            let weight = weights(&now, self.to.rule, &self.to.backends).map_err(|why| self.unusable(&why))?[at];
            if weight > 0 {
                let name = self.to.deployments[at].clone();
                return Err(self.unplaced(&Unplaced::UnderTraffic { name, found: version_of(object) }));
            }
            Ok(Some(asked))
        })?;
        Ok(())
    }
}

fn standing(progress: Progress, of: &str) -> Standing {
    match progress {
        Progress::There => Standing::There,
        Progress::Coming(why) => Standing::Coming(format!("{of}: {why}")),
        Progress::Failed(why) => Standing::Failed(format!("{of}: {why}")),
    }
}

impl Traffic for Routed {
    fn load(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        let Some(version) = release.version(role) else { return Ok(Standing::There) };
        let read = self.read()?;
        let serves = role != Role::Candidate && !release.moved;
        let at = match place(&read.places, version, release.other(role), serves) {
            Ok(at) => at,
            Err(why) => return Ok(Standing::Failed(why.to_string())),
        };
        let name = &self.to.deployments[at];
        let has_it = read.places[at].version.as_deref() == Some(version);
        if serves && read.places[at].weight == 0 {
            return Ok(Standing::Failed(format!(
                "{name} has version {version}, which is to serve, and gets no requests: give it all of them"
            )));
        }
        match &self.to.load {
            // What answers users is left as it is.
            Some(template) if read.places[at].weight == 0 => {
                self.patch_idle(at, &|object| version_patch(template, object, version, &release.names(version)))?;
            }
            None if !has_it => return Ok(Standing::Coming(format!("{name}: nobody has had it run version {version} yet"))),
            Some(_) | None => {}
        }
        let now = self.cluster.get(&self.deployment(at))?;
        if version_of(&now).as_deref() != Some(version) {
            return Ok(Standing::Coming(format!("{name}: it does not say yet that it runs version {version}")));
        }
        Ok(standing(availability(&now), name))
    }

    fn unload(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        let (Some(template), Some(version)) = (&self.to.unload, release.version(role)) else { return Ok(Standing::There) };
        // The control is stable: it goes with it, or stays with it.
        if role == Role::Control {
            return Ok(Standing::There);
        }
        let read = self.read()?;
        let Some(at) = home(&read.places, version) else { return Ok(Standing::There) };
        if has(&read.deployments[at], template) {
            return Ok(Standing::There);
        }
        self.patch_idle(at, &|object| stamped(template, object))?;
        Ok(Standing::There)
    }

    fn split(&self, release: &Release, candidate_bp: u32) -> Result<Standing, Failure> {
        let read = self.read()?;
        let wanted = split(&read.places, release.stable.as_deref(), &release.candidate, candidate_bp).map_err(|why| self.unplaced(&why))?;
        let set = wanted.map(u64::from);
        self.cluster.bring(&self.route(), Merge::Plain, |route| {
            let found = weights(route, self.to.rule, &self.to.backends).map_err(|why| self.unusable(&why))?;
            if found == set {
                return Ok(None);
            }
            weights_patch(route, self.to.rule, &self.to.backends, wanted).map(Some).map_err(|why| self.unusable(&why))
        })?;
        // Read back: what was answered is what was asked for, and not yet what is there.
        let route = self.cluster.get(&self.route())?;
        if weights(&route, self.to.rule, &self.to.backends).map_err(|why| self.unusable(&why))? != set {
            return Ok(Standing::Coming(format!("{}: somebody else changed its weights at once", self.to.route)));
        }
        let waited_ms = release.at.since_ms(release.since);
        let silent = only_silent(&route).filter(|_| release.back && waited_ms >= SILENT_MS);
        Ok(match silent {
            Some(name) => Standing::Enough(format!(
                "{}: {name} has not answered for the route in {} s: all others have taken the way back",
                self.to.route,
                waited_ms / 1_000
            )),
            None => standing(acceptance(&route, release.back), &self.to.route),
        })
    }

    fn look(&self, release: &Release, candidate_bp: u32) -> Result<Seen, Failure> {
        let read = self.read()?;
        let mut seen = Seen::default();
        for role in [Role::Stable, Role::Candidate] {
            let Some(version) = release.version(role) else { continue };
            let at = home(&read.places, version);
            seen.places[usize::from(role == Role::Stable)] = at.map(|at| self.to.backends[at].clone());
            match at {
                None => seen.lost.push((role, format!("no Deployment says any more that it runs version {version}"))),
                Some(at) if answers_nobody(&read.deployments[at]) => {
                    seen.lost.push((role, format!("{}: none of its replicas is available", self.to.deployments[at])));
                }
                Some(_) => {}
            }
        }
        let wanted = split(&read.places, release.stable.as_deref(), &release.candidate, candidate_bp);
        let found = read.places.each_ref().map(|place| place.weight);
        if wanted.is_ok_and(|wanted| !same_parts(wanted.map(u64::from), found)) {
            let words = read.places.each_ref().map(|place| format!("{} {}", place.name, place.weight));
            seen.moved = Some(format!("somebody else changed the weights of {}: {}", self.to.route, words.join(", ")));
        } else if let Progress::Failed(why) = acceptance(&read.route, release.back) {
            seen.moved = Some(format!("{}: {why}", self.to.route));
        }
        Ok(seen)
    }
}

/// Whether two weights give the same parts: 1 and 0 is all, as 10000 and 0 is.
fn same_parts(a: [u64; 2], b: [u64; 2]) -> bool {
    let product = |x: u64, y: u64| u128::from(x) * u128::from(y);
    (b[0] > 0 || b[1] > 0) && product(a[0], b[1]) == product(a[1], b[0])
}
