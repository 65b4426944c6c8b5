//! What is wrong with a route table, all of it at once.

use super::{Mirror, Role, Route, RouteTable, TARGETS_MAX, TargetId, WEIGHT_TOTAL_BP};
use std::collections::BTreeMap;

/// One fault of a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The key and the route disagree.
    #[error("route {key}: it is filed under `{key}` and says service `{service}`: file it under its own service")]
    Misfiled {
        /// Key in the table.
        key: String,
        /// Service in the route.
        service: String,
    },
    /// Nobody would answer, or it is not clear who.
    #[error("route {service}: weights sum to {sum} basis points: they must sum to 10000")]
    Sum {
        /// Service.
        service: String,
        /// What they sum to.
        sum: u64,
    },
    /// Too many targets.
    #[error("route {service}: {count} targets, at most {TARGETS_MAX}")]
    TooMany {
        /// Service.
        service: String,
        /// How many.
        count: usize,
    },
    /// A target is named twice.
    #[error("route {service}: {target} is named twice: give it one weight")]
    Twice {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// A target of another service.
    #[error("route {service}: {target} belongs to another service")]
    Foreign {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// A mirror's share is out of range.
    #[error("route {service}: mirror of {percent_bp} basis points: 0 to 10000")]
    MirrorShare {
        /// Service.
        service: String,
        /// What it says.
        percent_bp: u32,
    },
    /// A mirror's side has the wrong role.
    #[error("route {service}: the mirror's {side} is {target}: it must run as {side}")]
    MirrorRole {
        /// Service.
        service: String,
        /// Which side.
        side: Role,
        /// The target.
        target: TargetId,
    },
    /// A preview of something else than the version under judgement.
    #[error("route {service}: the preview is {target}: it must run as candidate")]
    PreviewRole {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// Stretches of an A/B test that overlap, leave the line, or belong to no variant.
    #[error(
        "route {service}: the stretches of A/B test {test} overlap, leave the line of 10000 points, or belong to no variant of the service"
    )]
    Lot {
        /// Service.
        service: String,
        /// The test.
        test: String,
    },
    /// Two services answer under one name.
    #[error("routes {first} and {second} both answer as model `{model}`: give each its own endpoint")]
    SameModel {
        /// The name.
        model: String,
        /// One service.
        first: String,
        /// The other.
        second: String,
    },
    /// A name that cannot stand in a path.
    #[error("route {service}: the model's name `{model}` is empty or holds `/`: it is a part of a path")]
    ModelName {
        /// Service.
        service: String,
        /// The name.
        model: String,
    },
}

/// Every fault of `table`; none when it may be applied.
#[must_use]
pub fn check(table: &RouteTable) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut models: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, route) in &table.routes {
        if *key != route.service {
            problems.push(Problem::Misfiled { key: key.clone(), service: route.service.clone() });
        }
        if let Some(first) = models.insert(&route.model, &route.service) {
            problems.push(Problem::SameModel { model: route.model.clone(), first: first.to_owned(), second: route.service.clone() });
        }
        check_route(route, &mut problems);
    }
    problems
}

fn check_route(route: &Route, problems: &mut Vec<Problem>) {
    let service = || route.service.clone();
    if route.model.is_empty() || route.model.contains('/') {
        problems.push(Problem::ModelName { service: service(), model: route.model.clone() });
    }
    let sum: u64 = route.targets.iter().map(|t| u64::from(t.weight_bp)).sum();
    if sum != u64::from(WEIGHT_TOTAL_BP) {
        problems.push(Problem::Sum { service: service(), sum });
    }
    if route.targets.len() > TARGETS_MAX {
        problems.push(Problem::TooMany { service: service(), count: route.targets.len() });
    }
    for (i, weighted) in route.targets.iter().enumerate() {
        let target = &weighted.target;
        if route.targets.iter().take(i).any(|t| t.target == *target) {
            problems.push(Problem::Twice { service: service(), target: target.clone() });
        }
        if target.service != route.service {
            problems.push(Problem::Foreign { service: service(), target: target.clone() });
        }
    }
    if let Some(mirror) = &route.mirror {
        check_mirror(route, mirror, problems);
    }
    if let Some(preview) = &route.preview {
        let target = &preview.target;
        if target.role != Role::Candidate {
            problems.push(Problem::PreviewRole { service: service(), target: target.clone() });
        }
        if target.service != route.service {
            problems.push(Problem::Foreign { service: service(), target: target.clone() });
        }
    }
    if let Some(lot) = route.lot.as_ref().filter(|lot| !lot.is_sound(&route.service)) {
        problems.push(Problem::Lot { service: service(), test: lot.test.clone() });
    }
}

fn check_mirror(route: &Route, mirror: &Mirror, problems: &mut Vec<Problem>) {
    let service = || route.service.clone();
    if mirror.percent_bp > WEIGHT_TOTAL_BP {
        problems.push(Problem::MirrorShare { service: service(), percent_bp: mirror.percent_bp });
    }
    for (side, target) in [(Role::Candidate, &mirror.candidate), (Role::Control, &mirror.control)] {
        if target.role != side {
            problems.push(Problem::MirrorRole { service: service(), side, target: target.clone() });
        }
        if target.service != route.service {
            problems.push(Problem::Foreign { service: service(), target: target.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Carrier, Preview, WeightedTarget};
    use expect_test::{Expect, expect};

    fn target(version: &str, role: Role) -> TargetId {
        TargetId::new("late", version, role)
    }

    fn says(table: &RouteTable, expected: Expect) {
        let text: String = check(table).iter().map(|p| format!("{p}\n")).collect();
        expected.assert_eq(&text);
    }

    #[test]
    fn a_sound_table_has_no_fault() {
        let mut route = Route::all_to("late", target("1", Role::Stable));
        route.mirror = Some(Mirror { percent_bp: 10_000, candidate: target("2", Role::Candidate), control: target("1", Role::Control) });
        says(&RouteTable::new(1, [route]), expect![""]);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut route = Route::all_to("la/te", target("1", Role::Stable));
        route.targets.push(WeightedTarget { target: target("1", Role::Stable), weight_bp: 1 });
        route.targets.push(WeightedTarget { target: TargetId::new("other", "1", Role::Stable), weight_bp: 0 });
        route.mirror = Some(Mirror { percent_bp: 10_001, candidate: target("2", Role::Stable), control: target("1", Role::Control) });
        route.preview =
            Some(Preview { carrier: Carrier::Cookie("x".to_owned()), value: None, target: TargetId::new("other", "2", Role::Control) });
        let mut table = RouteTable::new(1, [route]);
        table.routes.insert("twin".to_owned(), Route::all_to("la/te", target("1", Role::Stable)));
        says(
            &table,
            expect![[r#"
                route late: the model's name `la/te` is empty or holds `/`: it is a part of a path
                route late: weights sum to 10001 basis points: they must sum to 10000
                route late: late version 1 (stable) is named twice: give it one weight
                route late: other version 1 (stable) belongs to another service
                route late: mirror of 10001 basis points: 0 to 10000
                route late: the mirror's candidate is late version 2 (stable): it must run as candidate
                route late: the preview is other version 2 (control): it must run as candidate
                route late: other version 2 (control) belongs to another service
                route twin: it is filed under `twin` and says service `late`: file it under its own service
                routes late and late both answer as model `la/te`: give each its own endpoint
                route late: the model's name `la/te` is empty or holds `/`: it is a part of a path
            "#]],
        );
    }

    #[test]
    fn what_must_be_loaded() {
        let mut route = Route::all_to("late", target("1", Role::Stable));
        route.targets.push(WeightedTarget { target: target("3", Role::Candidate), weight_bp: 0 });
        route.mirror = Some(Mirror { percent_bp: 500, candidate: target("2", Role::Candidate), control: target("1", Role::Control) });
        let names: Vec<String> = route.needed().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["late version 1 (stable)", "late version 1 (control)", "late version 2 (candidate)"]);
    }
}
