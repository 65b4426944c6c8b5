//! KServe: the model of an `InferenceService` and the part of the requests that its newest revision gets.
//!
//! A service has the newest revision and the one that was rolled out last; a version that is neither is made the newest one with
//! no requests, and gets its part when its revision is ready. `canaryTrafficPercent` is there while both get requests, or while
//! the newest is kept from them, and never after: what is left behind would be the part of the next change.

use crate::kubernetes::{CONFLICTS_MAX, Changed, Cluster, Merge};
use crate::traffic::{Release, Seen, Standing, Traffic};
use serde_json::Value;
use tidegate_core::rollout::Role;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::KServe;
use tidegate_wire::kserve::{self, Revision, canary_percent, ill, patch, readiness, revision, scales_to_nothing, source_of, storage_uri};
use tidegate_wire::kubernetes::Progress;

/// Basis points of a percent.
const PERCENT_BP: u32 = 100;

/// An InferenceService.
pub struct Served {
    /// Where.
    pub cluster: Cluster,
    /// What.
    pub to: KServe,
}

/// What was read: the service, and its revisions.
struct Read {
    service: Value,
    created: Option<Value>,
    ready: Option<Value>,
    rolled_out: Option<Value>,
}

impl Read {
    /// The address of the model that the revision rolled out last was made for.
    fn rolled_out_for(&self) -> Option<&str> {
        self.rolled_out.as_ref().and_then(source_of)
    }

    /// The part that a model gets of all requests, in percent.
    fn part_of(&self, uri: &str) -> u64 {
        let newest = canary_percent(&self.service).unwrap_or(100).min(100);
        let of_newest = if storage_uri(&self.service) == Some(uri) { newest } else { 0 };
        of_newest + if self.rolled_out_for() == Some(uri) { 100 - newest } else { 0 }
    }
}

/// What is to be done about a service as it was read.
enum Found {
    /// It is as it is to be.
    There,
    /// Nothing can be done, or it is to be waited for.
    Not(Standing),
    /// This patch, after which it stands so; none: it is to be looked at.
    Patch(Value, Option<Standing>),
}

impl Served {
    fn path(&self) -> String {
        format!("/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices/{}", self.to.server.namespace, self.to.service)
    }

    /// The address of a version's model.
    fn uri(&self, release: &Release, version: &str) -> String {
        release.names(version).iter().fold(self.to.storage_uri.clone(), |uri, (name, value)| uri.replace(&format!("{{{name}}}"), value))
    }

    fn read(&self) -> Result<Read, Failure> {
        let service = self.cluster.get(&self.path())?;
        let of = |which: Revision| {
            let Some(name) = revision(&service, which) else { return Ok(None) };
            let path = format!("/apis/serving.knative.dev/v1/namespaces/{}/revisions/{name}", self.to.server.namespace);
            match self.cluster.get(&path) {
                Ok(found) => Ok(Some(found)),
                Err(failure) if failure.kind == FailureKind::Gone => Ok(None),
                Err(failure) => Err(failure),
            }
        };
        let (created, ready, rolled_out) = (of(Revision::Created)?, of(Revision::Ready)?, of(Revision::RolledOut)?);
        Ok(Read { service, created, ready, rolled_out })
    }

    /// Does what `found` says of the service that was read, as long as it is still that one: what it was found by is what is patched.
    fn changed(&self, found: &dyn Fn(&Read) -> Found, then: &dyn Fn() -> Result<Standing, Failure>) -> Result<Standing, Failure> {
        let mut last = String::new();
        for _ in 0..CONFLICTS_MAX {
            let (patch, after) = match found(&self.read()?) {
                Found::There => return then(),
                Found::Not(standing) => return Ok(standing),
                Found::Patch(patch, after) => (patch, after),
            };
            match self.cluster.patch(&self.path(), Merge::Plain, patch)? {
                Changed::Made(_) => return after.map_or_else(then, Ok),
                Changed::Conflict(why) => last = why,
            }
        }
        Ok(Standing::Coming(format!("{}: it was changed by somebody else each of {CONFLICTS_MAX} times ({last})", self.to.service)))
    }

    /// How far a model's revision is from being the newest one and ready, with no requests until it is told otherwise.
    fn as_newest(&self, read: &Read, uri: &str) -> Found {
        let name = &self.to.service;
        let Some(at) = storage_uri(&read.service) else {
            let why = format!("{name} has no `spec.predictor.model.storageUri`: write it so, with `modelFormat`");
            return Found::Not(Standing::Failed(why));
        };
        let made_for = |revision: &Option<Value>| revision.as_ref().and_then(source_of) == Some(uri);
        if at == uri {
            // A status that is about the revision before says nothing of this one.
            let about_it = made_for(&read.created);
            return match readiness(&read.service) {
                Progress::There if made_for(&read.ready) => Found::There,
                Progress::Failed(why) if about_it => Found::Not(Standing::Failed(format!("{name}: {why}"))),
                Progress::Coming(why) if about_it => Found::Not(Standing::Coming(format!("{name}: {why}"))),
                Progress::There | Progress::Failed(_) | Progress::Coming(_) => {
                    Found::Not(Standing::Coming(format!("{name}: no revision says yet that it was made for {uri}")))
                }
            };
        }
        // The one that is replaced as the newest must have no requests that only it can answer.
        let all = canary_percent(&read.service).is_none_or(|percent| percent == 100);
        let kept = canary_percent(&read.service) == Some(0);
        if !(kept || (all && read.rolled_out_for() == Some(at))) {
            let part = canary_percent(&read.service).map_or_else(|| "everything".to_owned(), |percent| format!("{percent} %"));
            let why = format!("{name}: its newest revision, made for {at}, gets {part} and is not rolled out: end that release first");
            return Found::Not(Standing::Failed(why));
        }
        let loaded = Standing::Coming(format!("{name}: {uri} is being loaded"));
        patch(&read.service, uri, Some(0)).map_or(Found::There, |patch| Found::Patch(patch, Some(loaded)))
    }

    /// Has a model's revision as the newest, with no requests until it is told otherwise.
    fn newest(&self, uri: &str) -> Result<Standing, Failure> {
        self.changed(&|read| self.as_newest(read, uri), &|| Ok(Standing::There))
    }

    /// Gives all requests to the newest revision, which is that of this model and ready, and leaves no part behind.
    fn all_to(&self, uri: &str) -> Result<Standing, Failure> {
        let found = |read: &Read| match self.as_newest(read, uri) {
            Found::There => patch(&read.service, uri, None).map_or(Found::There, |patch| Found::Patch(patch, None)),
            other => other,
        };
        self.changed(&found, &|| self.is_split(100))
    }

    /// Takes back a first version, which got no requests: what was rolled out before it is the newest again, with everything. A service
    /// that was made for this version has no other to run, and stays what it was.
    fn as_found(&self, uri: &str) -> Result<Standing, Failure> {
        let read = self.read()?;
        let (at, name) = (storage_uri(&read.service), &self.to.service);
        match (read.rolled_out_for(), revision(&read.service, Revision::RolledOut)) {
            (Some(before), _) if before != uri && (at == Some(uri) || at == Some(before)) => self.all_to(before),
            // Somebody else's.
            _ if at != Some(uri) => Ok(Standing::There),
            (None, Some(gone)) => Ok(Standing::Failed(format!(
                "{name}: nothing says what {gone} was made for, which was rolled out before {uri}: write the `storageUri` that it is to \
                 have, and take `canaryTrafficPercent` out"
            ))),
            (Some(_), _) | (None, None) => self.changed(
                &|read| match storage_uri(&read.service) {
                    Some(at) if at == uri => patch(&read.service, uri, None).map_or(Found::There, |patch| Found::Patch(patch, None)),
                    Some(_) | None => Found::There,
                },
                &|| Ok(Standing::There),
            ),
        }
    }

    /// Gives the newest revision, made for `newest`, a part beside the one that was rolled out, made for `other`.
    fn shared(&self, newest: &str, other: &str, part: u64) -> Result<Standing, Failure> {
        let found = |read: &Read| {
            if storage_uri(&read.service) != Some(newest) || read.rolled_out_for() != Some(other) {
                let why = format!("{} has no revision of {other} to share with", self.to.service);
                return Found::Not(Standing::Failed(why));
            }
            patch(&read.service, newest, Some(part)).map_or(Found::There, |patch| Found::Patch(patch, None))
        };
        self.changed(&found, &|| self.is_split(part))
    }

    fn is_split(&self, percent: u64) -> Result<Standing, Failure> {
        let name = &self.to.service;
        Ok(match kserve::split(&self.cluster.get(&self.path())?, percent) {
            Progress::There => Standing::There,
            Progress::Coming(why) => Standing::Coming(format!("{name}: {why}")),
            Progress::Failed(why) => Standing::Failed(format!("{name}: {why}")),
        })
    }
}

impl Traffic for Served {
    fn load(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        let Some(version) = release.version(role) else { return Ok(Standing::There) };
        let uri = self.uri(release, version);
        let read = self.read()?;
        let newest_is_it = storage_uri(&read.service) == Some(uri.as_str());
        // Beside the newest revision stands the one that was rolled out, as long as it is kept.
        let stands = !newest_is_it && canary_percent(&read.service).is_some() && read.rolled_out_for() == Some(uri.as_str());
        if stands {
            return Ok(Standing::There);
        }
        if role != Role::Candidate && !release.moved && !newest_is_it {
            let found = storage_uri(&read.service).unwrap_or("nothing").to_owned();
            return Ok(Standing::Failed(format!("{} serves {found}, and {uri} is to serve by what is recorded", self.to.service)));
        }
        if role == Role::Candidate && release.stands && scales_to_nothing(&read.service) {
            return Ok(Standing::Failed(format!(
                "{}: `minReplicas` is 0: {uri} would be scaled to nothing while it waits without requests, and not be ready when all \
                 switch: write 1",
                self.to.service
            )));
        }
        self.newest(&uri)
    }

    fn unload(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        match (role, &release.stable) {
            // The newest one goes when it is no longer the newest: stable is, with everything, and no part stays behind.
            (Role::Candidate, Some(stable)) => self.all_to(&self.uri(release, stable)),
            (Role::Candidate, None) => self.as_found(&self.uri(release, &release.candidate)),
            (Role::Stable | Role::Control, _) => Ok(Standing::There),
        }
    }

    fn split(&self, release: &Release, candidate_bp: u32) -> Result<Standing, Failure> {
        let candidate = self.uri(release, &release.candidate);
        let stable = release.stable.as_ref().map(|stable| self.uri(release, stable));
        let part = u64::from(candidate_bp / PERCENT_BP);
        let read = self.read()?;
        let at = storage_uri(&read.service).unwrap_or_default();
        let rolled_out = read.rolled_out_for();
        let Some(stable) = stable else { return self.all_to(&candidate) };
        let (newest_part, other) = if at == stable { (100 - part.min(100), &candidate) } else { (part, &stable) };
        let newest = if at == stable { &stable } else { &candidate };
        if newest_part == 100 {
            return self.all_to(newest);
        }
        if at != *newest || rolled_out != Some(other.as_str()) {
            // The other one was let go: what is to get everything is loaded beside, what is to get a part is not there.
            return match (newest_part, at == candidate || at == stable) {
                (0, true) => self.all_to(other),
                _ => Ok(Standing::Failed(format!("{} has no revision of {other} to share with", self.to.service))),
            };
        }
        self.shared(newest, other, newest_part)
    }

    fn look(&self, release: &Release, candidate_bp: u32) -> Result<Seen, Failure> {
        let read = self.read()?;
        let name = &self.to.service;
        let (candidate, at) = (self.uri(release, &release.candidate), storage_uri(&read.service).unwrap_or_default());
        let stable = release.stable.as_ref().map(|stable| self.uri(release, stable));
        let candidate_is_newest = at == candidate;
        let part = u64::from(candidate_bp / PERCENT_BP).min(100);
        let mut seen = Seen::default();
        let named = |which: Revision| revision(&read.service, which).map(str::to_owned);
        let (newest, other) = (named(Revision::Ready), named(Revision::RolledOut));
        seen.places = if candidate_is_newest { [newest, other] } else { [other, newest] };
        // What is taken away may be ill.
        if let (true, false, Progress::Failed(why)) = (candidate_is_newest, release.back, readiness(&read.service)) {
            seen.lost.push((Role::Candidate, format!("{name}: {why}")));
        }
        let revisions = [&read.ready, &read.rolled_out].into_iter().flatten();
        let sick = |uri: &str| revisions.clone().filter(|r| source_of(r) == Some(uri)).find_map(ill);
        let roles = [(Role::Candidate, Some(&candidate), part > 0), (Role::Stable, stable.as_ref(), part < 100)];
        for (role, uri, answers) in roles {
            let known = !answers || seen.lost.iter().any(|(of, _)| *of == role);
            seen.lost.extend(uri.filter(|_| !known).and_then(|uri| sick(uri)).map(|why| (role, format!("{name}: {why}"))));
        }
        // On the way back stable is the newest and the one rolled out, and kept from requests as the newest until it is ready.
        let (found, rest) = (read.part_of(&candidate), stable.as_ref().map_or(100 - part, |stable| read.part_of(stable)));
        if (found, rest) != (part, 100 - part) {
            let newest_part = canary_percent(&read.service).map_or_else(|| "everything".to_owned(), |percent| format!("{percent} %"));
            seen.moved = Some(format!("somebody else changed {name}: its newest revision, made for {at}, gets {newest_part}"));
        }
        Ok(seen)
    }
}
