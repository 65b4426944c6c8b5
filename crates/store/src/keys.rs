//! The vault's minimum: the log's signing key in a file for the owner alone, and the access tokens beside it.
//!
//! Not here: pseudonyms and their erasure, outside key managers.

use crate::disk::{self, Guard};
use crate::tlog::{LogError, LogSigner};
use crate::tokens::Tokens;
use std::path::{Path, PathBuf};
use tidegate_port::{Failure, FailureKind};

/// Largest file of a key in bytes.
const KEY_FILE_BYTES_MAX: u64 = 4_096;
/// Longest part of the origin that names the workspace.
const WORKSPACE_NAME_BYTES_MAX: usize = 64;

/// The keys of a workspace.
#[derive(Debug)]
pub struct Keys {
    dir: PathBuf,
    signer: LogSigner,
}

impl Keys {
    /// The keys in `dir`; the signing key is made once, from the system's randomness, for the log
    /// `tidegate.local/<workspace>/<random id>`.
    ///
    /// # Errors
    /// When the key's file can be read by others, or is damaged.
    pub fn open(dir: &Path, workspace: &str) -> Result<Keys, Failure> {
        disk::make_dir(dir)?;
        let _guard = Guard::wait(&dir.join("keys.lock"))?;
        let path = dir.join("log.key");
        let signer = match read_private(&path)? {
            Some(text) => LogSigner::parse(&text).map_err(|e| refused(&path, &e))?,
            None => make(&path, workspace)?,
        };
        disk::replace_file(&dir.join("vkey"), format!("{}\n", signer.verifier().vkey()).as_bytes())?;
        Ok(Keys { dir: dir.to_owned(), signer })
    }

    /// The key that signs checkpoints.
    #[must_use]
    pub fn signer(&self) -> LogSigner {
        self.signer.clone()
    }

    /// The public key as the text that auditors keep; also in the file `vkey` beside the private one.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.signer.verifier().vkey()
    }

    /// The access tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::new(&self.dir)
    }
}

fn make(path: &Path, workspace: &str) -> Result<LogSigner, Failure> {
    let secret: [u8; 32] = random()?;
    let id: [u8; 8] = random()?;
    let origin = format!("tidegate.local/{}/{}", plain_name(workspace), hex::encode(id));
    let signer = LogSigner::new(&origin, &secret).map_err(|e| refused(path, &e))?;
    disk::replace_private_file(path, signer.to_secret_text().as_bytes())?;
    Ok(signer)
}

/// A workspace's name as part of an origin: letters, digits, dots, dashes, underscores.
fn plain_name(workspace: &str) -> String {
    let plain: String = workspace
        .chars()
        .take(WORKSPACE_NAME_BYTES_MAX)
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    if plain.is_empty() { "workspace".into() } else { plain }
}

/// Bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure {
        kind: FailureKind::Transient,
        operation: "make a key",
        object: "the system's randomness".into(),
        detail: error.to_string(),
    })?;
    Ok(bytes)
}

/// The text of a secret file, if nobody but its owner may read it.
fn read_private(path: &Path) -> Result<Option<String>, Failure> {
    let Some(bytes) = disk::read_if_there(path, KEY_FILE_BYTES_MAX)? else { return Ok(None) };
    check_private(path)?;
    String::from_utf8(bytes).map(Some).map_err(|e| refused(path, &e))
}

#[cfg(unix)]
pub(crate) fn check_private(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_err(|e| disk::failure("read key", path, &e))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure {
        kind: FailureKind::Denied,
        operation: "read key",
        object: path.display().to_string(),
        detail: format!("its mode {mode:04o} lets others read it: run `chmod 600` on it, and consider the key as known to them"),
    })
}

#[cfg(not(unix))]
pub(crate) fn check_private(_path: &Path) -> Result<(), Failure> {
    Ok(())
}

fn refused(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure { kind: FailureKind::Refused, operation: "read key", object: path.display().to_string(), detail: error.to_string() }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        match error {
            LogError::Store(failure) => failure,
            other => Failure {
                kind: FailureKind::Refused,
                operation: "use the log",
                object: "the transparency log".into(),
                detail: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::open(dir.path(), "flight delays+/").unwrap();
        let again = Keys::open(dir.path(), "another name").unwrap();
        assert_eq!(first.vkey(), again.vkey());
        assert!(first.vkey().starts_with("tidegate.local/flight-delays--/"), "{}", first.vkey());
        assert_eq!(std::fs::read_to_string(dir.path().join("vkey")).unwrap().trim_end(), first.vkey());
        assert!(!format!("{first:?}").contains("PRIVATE"));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Keys::open(other.path(), "x").unwrap().vkey(), first.vkey());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path(), "w").unwrap();
        let path = dir.path().join("log.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Keys::open(dir.path(), "w").unwrap_err().kind, FailureKind::Denied);
    }

    #[test]
    fn a_damaged_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path(), "w").unwrap();
        let path = dir.path().join("log.key");
        let text = std::fs::read_to_string(&path).unwrap();
        let damaged = text.replacen('+', "-", 1);
        disk::replace_private_file(&path, damaged.as_bytes()).unwrap();
        assert_eq!(Keys::open(dir.path(), "w").unwrap_err().kind, FailureKind::Refused);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
    }
}
