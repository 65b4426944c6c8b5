//! Why a request to a remote came to nothing, and which of that is worth another try.

use super::Trouble;
use std::path::Path;
use std::time::Duration;

/// Times that a request is repeated after an answer of 500 or a broken connection.
const RETRIES_MAX: usize = 4;
/// First pause before a repetition; each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Times that one object is taken up again after a stall.
const ATTEMPTS_MAX: usize = 3;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("it is not there")]
    Missing,
    #[error("nothing came for {} s", .0.as_secs_f64())]
    Stalled(Duration),
    #[error("the transfer broke off: {0}")]
    Broken(String),
    #[error("the server gives no parts of files")]
    NoRanges,
    #[error("{0}")]
    Damaged(String),
    /// A refusal that may pass: an answer of 500, no connection.
    #[error("{0}")]
    Passing(String),
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Fatal(String),
}

impl Lost {
    pub(super) fn of(error: &object_store::Error) -> Lost {
        if let Some(refused) = super::client::redirected(error) {
            return Lost::Failed(refused.to_string());
        }
        match error {
            object_store::Error::NotFound { .. } => Lost::Missing,
            object_store::Error::Generic { .. } => Lost::Passing(told(error)),
            _ => Lost::Failed(told(error)),
        }
    }

    /// The same, not worth another try any more.
    pub(super) fn for_good(self) -> Lost {
        match self {
            Lost::Stalled(_) | Lost::Broken(_) | Lost::Passing(_) => Lost::Failed(self.to_string()),
            other => other,
        }
    }

    pub(super) fn local(what: &str, path: &Path, error: &std::io::Error) -> Lost {
        let text = format!("{what} {}: {error}", path.display());
        if error.kind() == std::io::ErrorKind::StorageFull { Lost::Fatal(text) } else { Lost::Failed(text) }
    }
}

impl From<Lost> for Trouble {
    fn from(lost: Lost) -> Trouble {
        match lost {
            Lost::Missing => Trouble::Missing,
            Lost::Damaged(why) => Trouble::Damaged(why),
            Lost::Fatal(why) => Trouble::Fatal(why),
            other => Trouble::Failed(other.to_string()),
        }
    }
}

/// Again after what passes, so many times.
pub(super) async fn again<T, F: Future<Output = Result<T, Lost>>>(work: impl Fn() -> F) -> Result<T, Lost> {
    let mut tries = Tries::default();
    loop {
        match work().await {
            Err(lost) if tries.more(&lost).await => {}
            other => return other,
        }
    }
}

/// How often something was taken up again.
#[derive(Default)]
pub(super) struct Tries {
    stalls: usize,
    refusals: usize,
    /// Begun anew because the server gives no parts.
    pub(super) from_start: bool,
}

impl Tries {
    /// Whether it is worth another try; waits before it.
    pub(super) async fn more(&mut self, lost: &Lost) -> bool {
        match lost {
            Lost::Stalled(_) => {
                self.stalls += 1;
                self.stalls < ATTEMPTS_MAX
            }
            Lost::Broken(_) | Lost::Passing(_) => {
                self.refusals += 1;
                let again = self.refusals <= RETRIES_MAX;
                if again {
                    let doubled = 1u32 << self.refusals.saturating_sub(1).min(5);
                    tokio::time::sleep(PAUSE_FIRST * doubled).await;
                }
                again
            }
            _ => false,
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
