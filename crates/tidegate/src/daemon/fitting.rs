//! What the versions of a train's services give and take, read from the registry and from contracts. Whether it fits is said by
//! `core::train::fit`.

use super::api::Api;
use crate::exit::{self, failure};
use crate::steps::register;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::model::{Face, Models};
use tidegate_core::rollout::{Phase, Rollout, State};
use tidegate_core::train::{Brought, Car, CarState, Fit, Of, Party, Released, Spec, Train, fit, live};
use tidegate_core::transform::Transform;
use tidegate_port::Blobs as _;

/// Before a train departs: everything that will meet on its way.
///
/// # Errors
/// When a version, a transform or a contract cannot be read.
pub async fn of_departure(api: &Api, name: &str, spec: &Spec) -> Result<Fit> {
    let coming = spec.cars().iter().map(|car| (car.service.clone(), by_configuration(api, &car.service, &car.version))).collect();
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
    let of = |car: &Car| (car.service.clone(), by_configuration(api, &car.service, &car.version));
    let coming = train.spec.cars().iter().filter(on_its_way).map(of).collect();
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
    let before = before.version;
    let mut all = parties(api, name, &train.spec, &coming).await?;
    // With what was there when the train departed it has got on before; datasets are as they were.
    all.retain(|party| {
        let live = party.live.as_ref().map(|face| &face.version);
        party.name == service || live != at_departure.live.get(&party.name)
    });
    let found = fit(&alone, &all, Some(service));
    Ok((!found.allows()).then(|| format!("version {before} of it would come back, and {}", found.words())))
}

/// What the newest release of a service brings, and what it replaces, of the models that releases recorded.
async fn versions(api: &Api, service: &str) -> Result<Option<(Brought, Option<Of>)>> {
    let states = api.plane.newest_until(service, |read| {
        let stable = read.first().and_then(State::rollout).and_then(|newest| newest.spec.stable.as_ref());
        let brought = |open: &Rollout| stable == Some(&open.spec.candidate) && open.phase == Phase::Done;
        stable.is_none() || (read.len() > 1 && read.last().and_then(State::rollout).is_some_and(brought))
    });
    Ok(live(states.await?.iter().filter_map(State::rollout).map(Released::from)))
}

/// A version of the model that a service has now: it is what a release that begins would be of.
fn by_configuration(api: &Api, service: &str, version: &str) -> Of {
    let model = api.opened.config.services.get(service).map_or_else(String::new, |s| s.model.clone());
    Of { model, version: version.to_owned() }
}

/// The services of a train, those that are left out among them.
async fn parties(api: &Api, name: &str, spec: &Spec, coming: &BTreeMap<String, Of>) -> Result<Vec<Party>> {
    let configured = api.opened.config.trains.get(name).into_iter().flat_map(|train| &train.cars);
    let services: BTreeSet<&str> = configured.chain(spec.cars()).map(|car| car.service.as_str()).collect();
    let (mut all, mut foreign) = (vec![], vec![]);
    for service in services {
        let mut comes = coming.get(service).cloned();
        let live = match versions(api, service).await? {
            Some((Brought::Serves(of), _)) => Some(of),
            Some((Brought::UnderWay(of), stable)) => {
                match &mut comes {
                    // Its own release, of the model that it recorded; what comes back is of the one that is recorded already.
                    Some(comes) if comes.version == of.version && Some(&*comes) != stable.as_ref() => *comes = of,
                    // Somebody else's release beside the train is met as well.
                    _ => foreign.push(party(service, Some(face(api, service, &of).await?), None)),
                }
                stable
            }
            Some((Brought::Gone, stable)) => stable,
            None => None,
        };
        let live = if let Some(of) = live { Some(face(api, service, &of).await?) } else { None };
        let comes = if let Some(of) = comes { Some(face(api, service, &of).await?) } else { None };
        all.push(party(service, live, comes));
    }
    foreign.extend(all);
    Ok(foreign)
}

fn party(name: &str, live: Option<Face>, coming: Option<Face>) -> Party {
    Party { name: name.to_owned(), is_data: false, live, coming }
}

async fn face(api: &Api, service: &str, Of { model, version }: &Of) -> Result<Face> {
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
