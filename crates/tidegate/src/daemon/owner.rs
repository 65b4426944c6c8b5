//! Who is up in a workspace: one process at a time, found by every other command.

use crate::clock;
use crate::exit::{self, failure};
use crate::workspace::Places;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tidegate_port::FailureKind;
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

/// How long a start waits for a holder that answers nobody: one that is just starting or ending, or a look at the lock
/// (see [`is_up`]), which a child of that process can hold on to until it is a program of its own.
const SETTLE_MAX: Duration = Duration::from_secs(3);

/// How often it looks again meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Takes the workspace for this process; it is let go when the process ends, in whatever way.
///
/// # Errors
/// When another process is up: the message shows its address.
pub fn take(places: &Places) -> Result<Guard> {
    let started = clock::instant();
    loop {
        match Guard::take(&places.up_lock()) {
            Ok(guard) => return Ok(guard),
            Err(failed) if failed.kind != FailureKind::Transient => return Err(failed.into()),
            Err(_) => {}
        }
        if answers(places) || started.elapsed() > SETTLE_MAX {
            return Err(failure(exit::REFUSED, format!("start in {}: {}", places.root.display(), in_the_way(places))));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn in_the_way(places: &Places) -> String {
    match find(places) {
        Some(owner) => format!(
            "`tidegate up` runs here already (process {}): its console is at http://{}, its gateway at http://{}; use it, or end it first",
            owner.pid, owner.console, owner.gateway
        ),
        None => "another tidegate records here (a run, or one that is just starting or ending): wait for its end, then try again".into(),
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

/// Whether a process that has this workspace answers; one that only records a run does not.
pub fn answers(places: &Places) -> bool {
    UnixStream::connect(places.socket()).is_ok()
}

/// Whether somebody is up: the lock is held.
pub fn is_up(places: &Places) -> bool {
    places.home.is_dir() && matches!(Guard::take(&places.up_lock()), Err(f) if f.kind == FailureKind::Transient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::of(dir.path());
        places.make().unwrap();
        (dir, places)
    }

    #[test]
    fn a_look_that_takes_its_time_is_waited_for() {
        let (_dir, places) = workspace();
        let look = Guard::take(&places.up_lock()).unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(LOOK_AGAIN * 5);
            drop(look);
        });
        take(&places).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn one_that_answers_is_named_and_one_that_does_not_is_given_up() {
        let (_dir, places) = workspace();
        let _held = Guard::take(&places.up_lock()).unwrap();
        let silent = take(&places).unwrap_err().to_string();
        assert!(silent.ends_with("wait for its end, then try again"), "{silent}");
        let _answers = std::os::unix::net::UnixListener::bind(places.socket()).unwrap();
        tell(&places, &Owner { pid: 7, gateway: "127.0.0.1:1".into(), console: "127.0.0.1:2".into() }).unwrap();
        let living = take(&places).unwrap_err().to_string();
        assert!(living.ends_with("`tidegate up` runs here already (process 7): its console is at http://127.0.0.1:2, its gateway at http://127.0.0.1:1; use it, or end it first"), "{living}");
    }
}
