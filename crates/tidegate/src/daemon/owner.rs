//! Who is up in a workspace: one process at a time, found by every other command.

use crate::exit::{self, failure};
use crate::workspace::Places;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use tidegate_store::disk::{self, Guard};

/// The process that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Address of the gateway.
    pub gateway: String,
    /// Address of the console.
    pub console: String,
}

/// Takes the workspace for this process; it is let go when the process ends, in whatever way.
///
/// # Errors
/// When another process is up: the message shows its address.
pub fn take(places: &Places) -> Result<Guard> {
    match Guard::take(&places.up_lock()) {
        Ok(guard) => Ok(guard),
        Err(failed) if failed.kind == tidegate_port::FailureKind::Transient => {
            let message = match find(places) {
                Some(owner) => format!(
                    "start in {}: `tidegate up` runs here already (process {}): its console is at http://{}, its gateway at http://{}; use it, or end it first",
                    places.root.display(),
                    owner.pid,
                    owner.console,
                    owner.gateway
                ),
                None => format!(
                    "start in {}: another tidegate has this workspace and is just starting or ending: try again in a moment",
                    places.root.display()
                ),
            };
            Err(failure(exit::REFUSED, message))
        }
        Err(failed) => Err(failed.into()),
    }
}

/// Tells other commands where this process is.
///
/// # Errors
/// When the disk refuses.
pub fn tell(places: &Places, owner: &Owner) -> Result<()> {
    Ok(disk::replace_private_file(&places.up(), &serde_json::to_vec(owner)?)?)
}

/// Forgets who was up.
pub fn forget(places: &Places) {
    let _ = std::fs::remove_file(places.up());
    let _ = std::fs::remove_file(places.socket());
}

/// Who is up, as far as a file tells; the process may have died since.
pub fn find(places: &Places) -> Option<Owner> {
    serde_json::from_slice(&std::fs::read(places.up()).ok()?).ok()
}

/// Whether somebody is up: the lock is held.
pub fn is_up(places: &Places) -> bool {
    places.home.is_dir() && matches!(Guard::take(&places.up_lock()), Err(f) if f.kind == tidegate_port::FailureKind::Transient)
}
