//! The records of a workspace's last runs: its lock files and its `.dvc` files, read once, written when stages have ended.

use crate::dvclock::DvcLocks;
use crate::error::BuildError;
use crate::workspace::Workspace;
use indexmap::IndexMap;
use std::sync::atomic::AtomicBool;
use tidegate_core::pipeline::{Identity, Recorded, StageSpec};
use tidegate_wire::dvc::LockFile;
use tidegate_wire::dvc::tracked::{DvcFile, HashKind};

/// The records, by the file that declares the stages.
pub(crate) struct LockFiles {
    locks: IndexMap<String, Lock>,
    /// `.dvc` files that changed.
    changed: IndexMap<String, DvcFile>,
}

struct Lock {
    file: LockFile,
    /// What is on the disk.
    text: String,
    /// Something was recorded since.
    touched: bool,
    /// Names of the stages in the order in which they can run.
    order: Vec<String>,
}

impl LockFiles {
    /// Reads all.
    pub(crate) fn read(workspace: &Workspace) -> Result<LockFiles, BuildError> {
        let mut locks = IndexMap::new();
        let stages = workspace.graph.stages();
        for file in workspace.beside.keys() {
            let (lock, text) = workspace.read_lock(file)?;
            locks.insert(file.clone(), Lock { file: lock, text, touched: false, order: Vec::new() });
        }
        for stage in workspace.graph.order().iter().filter_map(|&i| stages.get(i)) {
            if let Some(lock) = locks.get_mut(&stage.file) {
                lock.order.push(stage.own_name.clone());
            }
        }
        Ok(LockFiles { locks, changed: IndexMap::new() })
    }

    /// What is recorded of a stage.
    pub(crate) fn get(&self, workspace: &Workspace, stage: &StageSpec) -> Option<Recorded> {
        if stage.is_data() {
            return workspace.data.get(&stage.file).map(recorded_of_data);
        }
        self.locks.get(&stage.file)?.file.get(&stage.own_name)
    }

    /// Records a stage, to be written later.
    pub(crate) fn set(&mut self, workspace: &Workspace, stage: &StageSpec, recorded: &Recorded) {
        if stage.is_data() {
            let Some(mut file) = workspace.data.get(&stage.file).cloned() else { return };
            for mut entry in file.outs() {
                let Some(identity) = recorded.outs.get(&entry.path) else { continue };
                entry.kind = HashKind::Md5;
                entry.md5 = Some(identity.md5.clone());
                entry.size_bytes = Some(identity.size_bytes);
                entry.files = identity.files;
                entry.executable = identity.executable;
                file.record("outs", &entry);
            }
            self.changed.insert(stage.file.clone(), file);
        } else if let Some(lock) = self.locks.get_mut(&stage.file) {
            lock.file.set(&stage.own_name, recorded, &lock.order);
            lock.touched = true;
        }
    }

    /// Whether something was recorded and is not written yet.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.changed.is_empty() || self.locks.values().any(|lock| lock.touched)
    }

    /// Writes what was recorded, each file whole, under DVC's lock.
    pub(crate) fn write(&mut self, workspace: &Workspace, locks: &DvcLocks, tell: &mut dyn FnMut(String)) -> Result<(), BuildError> {
        if !self.is_dirty() {
            return Ok(());
        }
        // Even a run that is being stopped keeps what has ended.
        let _held = locks.repository(&AtomicBool::new(false), tell)?;
        for (file, lock) in self.locks.iter_mut().filter(|(_, lock)| lock.touched) {
            let text = lock.file.render();
            lock.touched = false;
            if text != lock.text {
                let path = workspace.lock_path(file);
                crate::atomic::write(&path, text.as_bytes(), true).map_err(BuildError::io("write", &path))?;
                lock.text = text;
            }
        }
        for (file, data) in self.changed.drain(..) {
            let path = workspace.root.join(&file);
            crate::atomic::write(&path, data.render().as_bytes(), true).map_err(BuildError::io("write", &path))?;
        }
        Ok(())
    }
}

fn recorded_of_data(file: &DvcFile) -> Recorded {
    let mut recorded = Recorded::default();
    for entry in file.outs() {
        let Some(md5) = entry.md5 else { continue };
        let size_bytes = entry.size_bytes.unwrap_or(0);
        let identity = Identity { md5, size_bytes, files: entry.files, executable: entry.executable };
        if entry.kind == HashKind::Dos2Unix {
            recorded.legacy.insert(entry.path.clone());
        }
        recorded.outs.insert(entry.path, identity);
    }
    recorded
}
