//! What a follower is told: the routes that stand, and the versions that they need.

use super::{Target, Told};
use crate::daemon::conduct;
use crate::daemon::plane::{Plane, endpoint_model};
use crate::daemon::versions::{GOLDEN, TRANSFORM};
use anyhow::{Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::route::TargetId;
use tidegate_runtime::Version;
use tidegate_serve::remote::REMOTE_FILE;

/// The present routes, whole.
pub async fn told(plane: &Plane) -> Result<Told> {
    let mut table = plane.gateway().table();
    let (mut targets, mut left_out) = (Vec::new(), BTreeSet::new());
    for id in table.routes.values().flat_map(|route| route.needed()) {
        let target = target(plane, id).await?;
        if target.files.contains_key(REMOTE_FILE) {
            left_out.insert(id.service.clone());
        }
        targets.push(target);
    }
    // Addresses and secrets of upstreams stay where they are.
    table.routes.retain(|service, _| !left_out.contains(service));
    targets.retain(|target| !left_out.contains(&target.target.service));
    Ok(Told { epoch: plane.epoch(), table, targets, keep: plane.unrestored(), left_out })
}

async fn target(plane: &Plane, id: &TargetId) -> Result<Target> {
    let config = plane.config();
    let model = config.services.get(&id.service).map(|s| s.model.clone());
    let model = model.ok_or_else(|| anyhow!("tell of {id}: tidegate.yaml has no service of that name"))?;
    let version = plane.version(&model, &id.version).await?;
    let dir = plane.directory(&model, &id.version).await?;
    let name = if dir.join(REMOTE_FILE).exists() {
        REMOTE_FILE.to_owned()
    } else {
        let file = Version::model_file(&dir)?;
        file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mut files = BTreeMap::from([(name, version.artifact.clone())]);
    for (name, digest) in [(TRANSFORM, &version.transform), (GOLDEN, &version.golden)] {
        if let Some(digest) = digest {
            files.insert(name.to_owned(), digest.clone());
        }
    }
    Ok(Target { target: id.clone(), model: endpoint_model(config, &id.service), files, conduct: conduct::of(config, &id.service) })
}
