//! What the versions of a train's services give and take, read from the registry and from contracts. Whether it fits is said by
//! `core::train::fit`.

use super::api::Api;
use crate::exit::{self, failure};
use crate::steps::register;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::model::{Face, Models};
use tidegate_core::rollout::Phase as Of;
use tidegate_core::train::{Car, CarState, Fit, Party, Spec, Train, fit};
use tidegate_core::transform::Transform;
use tidegate_port::Blobs as _;

/// Before a train departs: everything that will meet on its way.
///
/// # Errors
/// When a version, a transform or a contract cannot be read.
pub async fn of_departure(api: &Api, name: &str, spec: &Spec) -> Result<Fit> {
    let coming = spec.cars().iter().map(|car| (car.service.clone(), car.version.clone())).collect();
    let mut all = parties(api, name, spec, &coming).await?;
    all.extend(datasets(api, &all)?);
    Ok(fit(spec, &all, None))
}

/// Before the release of one service: what it will meet, as it is now.
///
/// # Errors
/// When a version, a transform or a contract cannot be read.
pub async fn of_step(api: &Api, name: &str, train: &Train, service: &str) -> Result<Fit> {
    let on_its_way =
        |car: &&Car| matches!(train.cars.get(&car.service), Some(CarState::Waits | CarState::Runs { .. } | CarState::Ready { .. }));
    let coming = train.spec.cars().iter().filter(on_its_way).map(|car| (car.service.clone(), car.version.clone())).collect();
    let mut all = parties(api, name, &train.spec, &coming).await?;
    all.extend(datasets(api, &all)?);
    Ok(fit(&train.spec, &all, Some(service)))
}

/// Why the version before must not come back by itself: what has changed since the train departed does not fit it.
///
/// # Errors
/// When a version, a transform or a contract cannot be read.
pub async fn of_return(api: &Api, name: &str, train: &Train, service: &str) -> Result<Option<String>> {
    let (Some(at_departure), Some(car)) = (&train.fit, train.spec.car(service)) else { return Ok(None) };
    let Some((_, stable)) = versions(api, service).await? else { return Ok(None) };
    let Some(before) = stable else { return Ok(None) };
    let alone = Spec::build(vec![car.clone()]).context("look at one service of a train")?;
    let coming = BTreeMap::from([(service.to_owned(), before.clone())]);
    let mut all = parties(api, name, &train.spec, &coming).await?;
    // With what was there when the train departed it has got on before; datasets are as they were.
    all.retain(|party| {
        let live = party.live.as_ref().map(|face| &face.version);
        party.name == service || live != at_departure.live.get(&party.name)
    });
    let found = fit(&alone, &all, Some(service));
    Ok((!found.allows()).then(|| format!("version {before} of it would come back, and {}", found.words())))
}

/// Versions of a service's newest release: the candidate, where it serves or is about to, and the one before it.
async fn versions(api: &Api, service: &str) -> Result<Option<(Candidate, Option<String>)>> {
    let newest = api.plane.newest(service).await?;
    Ok(newest.as_ref().and_then(|(_, state)| state.rollout()).map(|open| {
        let version = open.spec.candidate.clone();
        let candidate = match open.phase {
            Of::Done => Candidate::Serves(version),
            _ if open.phase.is_terminal() => Candidate::Gone,
            _ => Candidate::UnderWay(version),
        };
        (candidate, open.spec.stable.clone())
    }))
}

enum Candidate {
    Serves(String),
    UnderWay(String),
    Gone,
}

/// The services of a train, those that are left out among them.
async fn parties(api: &Api, name: &str, spec: &Spec, coming: &BTreeMap<String, String>) -> Result<Vec<Party>> {
    let configured = api.opened.config.trains.get(name).into_iter().flat_map(|train| &train.cars);
    let services: BTreeSet<&str> = configured.chain(spec.cars()).map(|car| car.service.as_str()).collect();
    let (mut all, mut foreign) = (vec![], vec![]);
    for service in services {
        let comes = coming.get(service).cloned();
        let live = match versions(api, service).await? {
            Some((Candidate::Serves(version), _)) => Some(version),
            Some((Candidate::UnderWay(version), stable)) => {
                // Somebody else's release beside the train is met as well.
                if comes.as_ref() != Some(&version) {
                    foreign.push(party(service, Some(face(api, service, &version).await?), None));
                }
                stable
            }
            Some((Candidate::Gone, stable)) => stable,
            None => None,
        };
        let live = if let Some(version) = live { Some(face(api, service, &version).await?) } else { None };
        let comes = if let Some(version) = comes { Some(face(api, service, &version).await?) } else { None };
        all.push(party(service, live, comes));
    }
    foreign.extend(all);
    Ok(foreign)
}

fn party(name: &str, live: Option<Face>, coming: Option<Face>) -> Party {
    Party { name: name.to_owned(), is_data: false, live, coming }
}

async fn face(api: &Api, service: &str, version: &str) -> Result<Face> {
    let model = api.opened.config.services.get(service).map_or("", |s| s.model.as_str());
    let state = api.plane.control().state::<Models>(register::stream(model)).await?;
    let known = state.versions.get(version).ok_or_else(|| {
        failure(
            exit::NOT_FOUND,
            format!("look at the signature of {service}: model {model} has no version {version}: `tidegate model list`"),
        )
    })?;
    let transform = match known.transform.as_ref().filter(|_| known.interface.takes_own()) {
        Some(digest) => {
            let what = || format!("read the transform of {model} version {version}");
            let bytes = api.plane.blobs().get(digest).with_context(what)?;
            Some(Transform::from_json(&bytes).with_context(what)?)
        }
        None => None,
    };
    Ok(known.interface.face(version, &known.signature, transform.as_ref()))
}

/// Datasets with a contract whose names somebody gives or takes: what is written must be what the contract says, and so is what is read.
fn datasets(api: &Api, parties: &[Party]) -> Result<Vec<Party>> {
    let faces = parties.iter().flat_map(|party| [&party.live, &party.coming]).flatten();
    let names: BTreeSet<&String> = faces.flat_map(|face| face.gives.keys().chain(face.takes.keys())).collect();
    let mut found = vec![];
    for name in names {
        let Some(file) = api.opened.config.data.get(name).and_then(|dataset| dataset.contract.as_ref()) else { continue };
        let columns = BTreeMap::from([(name.clone(), register::columns(&api.opened.places.root, name, file)?)]);
        let face = Face { version: String::new(), gives: columns.clone(), takes: columns };
        found.push(Party { name: name.clone(), is_data: true, live: Some(face), coming: None });
    }
    Ok(found)
}
