//! What a rollout wants of traffic, as a route of the gateway.

use tidegate_core::rollout::{Role, Rollout, Step, Traffic};
use tidegate_core::route::{Mirror, Preview, Role as RouteRole, Route, Sticky, TargetId, WeightedTarget};
use tidegate_wire::config::Workspace;

/// The role of a rollout's version in the gateway.
pub fn route_role(role: Role) -> RouteRole {
    match role {
        Role::Stable => RouteRole::Stable,
        Role::Candidate => RouteRole::Candidate,
        Role::Control => RouteRole::Control,
    }
}

/// The model's name in the gateway's paths: the last part of the service's endpoint.
pub fn endpoint_model(config: &Workspace, service: &str) -> String {
    let endpoint = config.services.get(service).map_or(service, |s| s.endpoint.as_str());
    endpoint.rsplit('/').next().unwrap_or(service).to_owned()
}

/// The route of a rollout's traffic.
pub fn route_of(open: &Rollout, traffic: Traffic, config: &Workspace) -> Route {
    let service = &open.spec.service;
    let target = |role: Role| open.version_of(role).map(|version| TargetId::new(service, version, route_role(role)));
    let weighted = |role: Role| {
        let weight_bp = traffic.share_bp(role);
        (weight_bp > 0).then(|| target(role)).flatten().map(|target| WeightedTarget { target, weight_bp })
    };
    let mirror = match (traffic.mirror_bp, target(Role::Candidate), target(Role::Control)) {
        (percent_bp @ 1.., Some(candidate), Some(control)) => Some(Mirror { percent_bp, candidate, control }),
        _ => None,
    };
    let asked = open.spec.steps.iter().find_map(|step| match step {
        Step::Preview { carrier, value, .. } if traffic.preview => Some((carrier.clone(), value.clone())),
        _ => None,
    });
    let preview = asked.zip(target(Role::Candidate)).map(|((carrier, value), target)| Preview { carrier, value, target });
    Route {
        service: service.clone(),
        model: endpoint_model(config, service),
        targets: Role::ALL.into_iter().filter_map(weighted).collect(),
        mirror,
        preview,
        // A new release assigns anew: the same users must not meet every candidate first.
        sticky: open.spec.affinity.clone().map(|carrier| Sticky { carrier, salt: format!("{service}/{}", open.spec.number) }),
        lot: None,
        cache_ms: config.services.get(service).and_then(|s| s.cache_ms),
    }
}
