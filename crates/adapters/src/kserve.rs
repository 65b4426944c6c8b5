//! KServe: the model of an `InferenceService` and the part of the requests that its newest revision gets.
//!
//! A service has the newest revision and the one that was rolled out last; a version that is neither is made the newest one with
//! no requests, and gets its part when its revision is ready. `canaryTrafficPercent` is there while both get requests, or while
//! the newest is kept from them, and never after: what is left behind would be the part of the next change.

use crate::kubernetes::{Cluster, Merge};
use crate::traffic::{Release, Seen, Standing, Traffic};
use serde_json::Value;
use tidegate_core::rollout::Role;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::KServe;
use tidegate_wire::kserve::{self, Revision, canary_percent, patch, readiness, revision, source_of, storage_uri};
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

/// What was read: the service, and the addresses of the models of its revisions.
struct Read {
    service: Value,
    created: Option<String>,
    ready: Option<String>,
    rolled_out: Option<String>,
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
        let source = |which: Revision| {
            let Some(name) = revision(&service, which) else { return Ok(None) };
            let path = format!("/apis/serving.knative.dev/v1/namespaces/{}/revisions/{name}", self.to.server.namespace);
            match self.cluster.get(&path) {
                Ok(found) => Ok(source_of(&found).map(str::to_owned)),
                Err(failure) if failure.kind == FailureKind::Gone => Ok(None),
                Err(failure) => Err(failure),
            }
        };
        let (created, ready, rolled_out) = (source(Revision::Created)?, source(Revision::Ready)?, source(Revision::RolledOut)?);
        Ok(Read { service, created, ready, rolled_out })
    }

    fn bring(&self, uri: &str, percent: Option<u64>) -> Result<(), Failure> {
        self.cluster.bring(&self.path(), Merge::Plain, |service| Ok(patch(service, uri, percent)))?;
        Ok(())
    }

    /// Has a model's revision as the newest, with no requests until it is told otherwise.
    fn newest(&self, uri: &str) -> Result<Standing, Failure> {
        let read = self.read()?;
        let name = &self.to.service;
        let Some(at) = storage_uri(&read.service).map(str::to_owned) else {
            return Ok(Standing::Failed(format!("{name} has no `spec.predictor.model.storageUri`: write it so, with `modelFormat`")));
        };
        if at == uri {
            // A status that is about the revision before says nothing of this one.
            let about_it = read.created.as_deref() == Some(uri);
            return Ok(match readiness(&read.service) {
                Progress::There if read.ready.as_deref() == Some(uri) => Standing::There,
                Progress::Failed(why) if about_it => Standing::Failed(format!("{name}: {why}")),
                Progress::Coming(why) if about_it => Standing::Coming(format!("{name}: {why}")),
                Progress::There | Progress::Failed(_) | Progress::Coming(_) => {
                    Standing::Coming(format!("{name}: no revision says yet that it was made for {uri}"))
                }
            });
        }
        // The one that is replaced as the newest must have no requests that only it can answer.
        let all = canary_percent(&read.service).is_none_or(|percent| percent == 100);
        let kept = canary_percent(&read.service) == Some(0);
        if !(kept || (all && read.rolled_out.as_deref() == Some(at.as_str()))) {
            let part = canary_percent(&read.service).map_or_else(|| "everything".to_owned(), |percent| format!("{percent} %"));
            let why = format!("{name}: its newest revision, made for {at}, gets {part} and is not rolled out: end that release first");
            return Ok(Standing::Failed(why));
        }
        self.bring(uri, Some(0))?;
        Ok(Standing::Coming(format!("{name}: {uri} is being loaded")))
    }

    /// Gives all requests to the newest revision, which is that of this model and ready, and leaves no part behind.
    fn all_to(&self, uri: &str) -> Result<Standing, Failure> {
        let newest = self.newest(uri)?;
        if newest != Standing::There {
            return Ok(newest);
        }
        self.bring(uri, None)?;
        self.is_split(100)
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
        let stands = !newest_is_it && canary_percent(&read.service).is_some() && read.rolled_out.as_deref() == Some(uri.as_str());
        if stands {
            return Ok(Standing::There);
        }
        if role != Role::Candidate && !release.moved && !newest_is_it {
            let found = storage_uri(&read.service).unwrap_or("nothing").to_owned();
            return Ok(Standing::Failed(format!("{} serves {found}, and {uri} is to serve by what is recorded", self.to.service)));
        }
        self.newest(&uri)
    }

    fn unload(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        match (role, &release.stable) {
            // The newest one goes when it is no longer the newest: stable is, with everything, and no part stays behind.
            (Role::Candidate, Some(stable)) => self.all_to(&self.uri(release, stable)),
            (Role::Candidate, None) | (Role::Stable | Role::Control, _) => Ok(Standing::There),
        }
    }

    fn split(&self, release: &Release, candidate_bp: u32) -> Result<Standing, Failure> {
        let candidate = self.uri(release, &release.candidate);
        let stable = release.stable.as_ref().map(|stable| self.uri(release, stable));
        let part = u64::from(candidate_bp / PERCENT_BP);
        let read = self.read()?;
        let at = storage_uri(&read.service).unwrap_or_default();
        let rolled_out = read.rolled_out.as_deref();
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
        self.bring(newest, Some(newest_part))?;
        self.is_split(newest_part)
    }

    fn look(&self, release: &Release, candidate_bp: u32) -> Result<Seen, Failure> {
        let read = self.read()?;
        let (candidate, at) = (self.uri(release, &release.candidate), storage_uri(&read.service).unwrap_or_default());
        let candidate_is_newest = at == candidate;
        let part = u64::from(candidate_bp / PERCENT_BP).min(100);
        let mut seen = Seen::default();
        let name = |which: Revision| revision(&read.service, which).map(str::to_owned);
        let (newest, other) = (name(Revision::Ready), name(Revision::RolledOut));
        seen.places = if candidate_is_newest { [newest, other] } else { [other, newest] };
        if let (true, Progress::Failed(why)) = (candidate_is_newest, readiness(&read.service)) {
            seen.lost.push((Role::Candidate, format!("{}: {why}", self.to.service)));
        }
        let newest_part = if candidate_is_newest { part } else { 100 - part };
        if canary_percent(&read.service).unwrap_or(100) != newest_part {
            let found = canary_percent(&read.service).map_or_else(|| "everything".to_owned(), |percent| format!("{percent} %"));
            seen.moved = Some(format!("somebody else changed {}: its newest revision gets {found}", self.to.service));
        }
        Ok(seen)
    }
}
