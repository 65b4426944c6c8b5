//! Small repositories for tests.

use tempfile::TempDir;

/// A repository of commits, oldest first: of each the file, what is in it, and the message.
pub fn repository(commits: &[(String, String, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(folder.path()).args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(args);
        assert!(command.status().unwrap().success(), "{args:?}");
    };
    git(&["init", "-q"]);
    for (file, text, message) in commits {
        std::fs::write(folder.path().join(file), text).unwrap();
        git(&["add", "."]);
        git(&["commit", "-q", "-m", message]);
    }
    folder
}
