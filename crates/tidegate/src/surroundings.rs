//! What the machine around says: the user's folders and credentials of remotes.

use std::path::PathBuf;
use tidegate_build::data::Surroundings;
use tidegate_wire::sources::PROMETHEUS_TOKEN;

/// Variables that name credentials of remotes.
const VARIABLES: [&str; 17] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
];

/// What the environment says: the user's folders and credentials of remotes.
pub fn surroundings() -> Surroundings {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let home = variable("HOME").map(PathBuf::from);
    let user = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let (user, system) = match &home {
        Some(home) if cfg!(target_os = "macos") => {
            (Some(home.join("Library/Application Support/dvc/config")), PathBuf::from("/Library/Application Support/dvc/config"))
        }
        _ => {
            (user.or_else(|| home.as_ref().map(|h| h.join(".config"))).map(|d| d.join("dvc/config")), PathBuf::from("/etc/xdg/dvc/config"))
        }
    };
    let variables = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?.into_string().ok()?)));
    Surroundings {
        config_files: [Some(system), user].into_iter().flatten().collect(),
        variables: variables.collect(),
        home,
        clock: crate::clock::now,
    }
}

/// The token for Prometheus, where it asks for one: `TIDEGATE_PROMETHEUS_TOKEN`. A secret on the command line would be seen in
/// lists of processes.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "secrets come from the environment")]
pub fn prometheus_token() -> Option<String> {
    std::env::var(PROMETHEUS_TOKEN).ok().filter(|token| !token.is_empty())
}

/// A secret that tidegate.yaml names by its variable.
///
/// # Errors
/// When it is not set.
#[expect(clippy::disallowed_methods, reason = "secrets come from the environment")]
pub fn secret(variable: &str) -> Result<String, String> {
    let value = std::env::var(variable).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        format!("the environment variable {variable} is not set: set it, and start `tidegate up` again where that asks for it")
    })
}

/// The token of the person who gives a command: `TIDEGATE_TOKEN`. Without one commands in the workspace's folder are its owner's; one
/// that is set and empty, as a secret that is missing, is a token that is not known.
#[must_use]
pub fn person_token() -> Option<String> {
    std::env::var_os("TIDEGATE_TOKEN").map(|token| token.to_string_lossy().trim().to_owned())
}

/// The time that everything made gets, in seconds since the Unix epoch: `SOURCE_DATE_EPOCH`, or 0. The same input is the same bytes.
///
/// # Errors
/// When it is set to something else.
#[expect(clippy::disallowed_methods, reason = "the one variable by which builds are made the same again")]
pub fn source_date_epoch() -> Result<u64, crate::exit::Exit> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let Ok(text) = std::env::var(NAME) else { return Ok(0) };
    text.trim().parse().map_err(|_| crate::exit::Exit {
        code: crate::exit::USAGE,
        message: format!("{NAME} is `{text}`: it is a whole number of seconds since 1970, or not set"),
    })
}
