//! A workspace in a temporary folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tidegate_build::{BuildError, Event, RunReport, RunRequest, StageOutcome, run};
use tidegate_core::id::At;

/// The clock of these tests is the machine's: the index of files compares it with times of the file system.
#[expect(clippy::disallowed_methods, reason = "the one clock of these tests")]
pub fn now() -> At {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    At(i64::try_from(since.as_millis()).unwrap())
}

pub struct World {
    pub directory: tempfile::TempDir,
}

impl World {
    pub fn new(pipeline: &str) -> World {
        let world = World { directory: tempfile::tempdir().unwrap() };
        world.write("dvc.yaml", pipeline);
        world
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A line each time a stage ran: `log NAME` in a command writes to the file that this reads.
    pub fn ran(&self) -> String {
        let text = std::fs::read_to_string(self.path("ran.log")).unwrap_or_default();
        let _ = std::fs::remove_file(self.path("ran.log"));
        text.lines().collect::<Vec<_>>().join(" ")
    }

    pub fn run(&self) -> RunReport {
        self.run_with(&RunRequest::new(self.root())).unwrap()
    }

    pub fn run_with(&self, request: &RunRequest<'_>) -> Result<RunReport, BuildError> {
        run(request, &now, &mut |_: &Event| {})
    }
}

/// A line a stage: how it ended, and why.
pub fn show(report: &RunReport) -> String {
    let mut text = format!("{:?}\n", report.outcome);
    for stage in &report.stages {
        let how = match &stage.outcome {
            StageOutcome::Skipped(why) => format!("skipped, {why:?}"),
            StageOutcome::Restored(from) => format!("restored from {from:?}"),
            StageOutcome::Ran { .. } => "ran".to_owned(),
            StageOutcome::Failed(error) => format!("failed: {error}"),
            StageOutcome::NotReached => "not reached".to_owned(),
        };
        let why: Vec<String> = stage.reasons.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        writeln!(text, "{}: {how}{why}", stage.stage).unwrap();
    }
    text
}
