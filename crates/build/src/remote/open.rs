//! A remote from its configuration. What is not understood of it is refused by name, so that nothing goes where it should not.

use super::client::Client;
use super::cloud::{Cloud, Patience, Store};
use super::{JOBS_MAX, JOBS_PER_CORE, Place, Remote};
use crate::data::{DataError, Repo, Surroundings, configuration};
use base64::Engine as _;
use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::http::HttpBuilder;
use object_store::{ClientOptions, HeaderMap, ObjectStore, RetryConfig, StaticCredentialProvider};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_wire::dvc::config::{DvcConfig, Section, is_true};

/// How long nothing may come before a transfer counts as stalled, where the configuration says nothing.
const STALL: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How often, and for how long, a request for data is repeated after a refusal that passes.
const READ_TRIES: usize = 5;
const READ_TIME: Duration = Duration::from_secs(120);

impl Repo {
    /// Opens a remote by name, or the default one.
    pub(crate) fn remote(&self, name: Option<&str>, jobs: Option<usize>) -> Result<Remote, DataError> {
        let Some(name) = name.or(self.default_remote()) else {
            let hint = "no remote is named and there is no default one: `tidegate remote add -d NAME URL`";
            return Err(DataError::Usage(hint.to_owned()));
        };
        let Some(section) = self.config.remote(name) else {
            let known: Vec<&str> = self.config.remotes().map(|(n, _)| n).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(DataError::NotFound(format!("there is no remote '{name}'; there are: {known}")));
        };
        let opening = Opening { surroundings: &self.surroundings, name, section, reading: false };
        let (place, url) = opening.place(&self.config)?;
        let default = crate::tree::threads() * JOBS_PER_CORE;
        let jobs = jobs.or(section.get("jobs").and_then(|j| j.parse().ok())).unwrap_or(default).clamp(1, JOBS_MAX);
        Ok(Remote { name: name.to_owned(), url, jobs, place })
    }
}

impl Repo {
    /// Brings one file from outside of any remote; gives what the server calls this version.
    pub(crate) fn download(&self, url: &str, to: &Path, progress: &dyn super::Progress) -> Result<String, DataError> {
        let (folder, name) = url.rsplit_once('/').unwrap_or(("", url));
        let (known, folder) = match folder.strip_prefix("remote://") {
            Some(rest) => {
                let (remote, path) = rest.split_once('/').unwrap_or((rest, ""));
                let known = self.config.remote(remote).cloned();
                let known = known.ok_or_else(|| DataError::NotFound(format!("there is no remote '{remote}'")))?;
                let base = known.get("url").cloned().unwrap_or_default();
                (known, format!("{}/{path}", base.trim_end_matches('/')))
            }
            None => (Section::new(), folder.to_owned()),
        };
        let mut section = known;
        section.insert("url".to_owned(), folder);
        let opening = Opening { surroundings: &self.surroundings, name: url, section: &section, reading: false };
        let (place, shown) = opening.place(&self.config)?;
        let Place::Cloud(cloud) = place else {
            return Err(DataError::Usage(format!("import {url}: give the path of a directory as a path")));
        };
        progress.begin("import", 1, 0);
        let got = cloud.download(name, to, progress);
        progress.end();
        got.map_err(|why| {
            let _ = std::fs::remove_file(to);
            DataError::Remote { what: format!("import {name} from {shown}"), names: vec![why] }
        })
    }
}

/// Data that are read where they lie.
pub enum Stored {
    /// A file or a folder of this machine, as the address of a remote may say.
    Path(PathBuf),
    /// Objects.
    Objects {
        /// Where they are.
        store: Arc<dyn ObjectStore>,
        /// The object, or what the names of several begin with.
        key: String,
        /// The address, without secrets.
        url: String,
    },
}

/// Opens an address: `s3://`, `gs://`, `azure://`, `http(s)://`, or `remote://NAME/path` of a configured remote, whose
/// credentials and endpoint are used. The configuration is that of the DVC repository that `directory` lies in, if any.
///
/// # Errors
/// When the address is not understood, or there are no credentials.
pub fn stored(directory: &Path, surroundings: &Surroundings, url: &str) -> Result<Stored, DataError> {
    let root = directory.ancestors().find(|d| d.join(".dvc").is_dir()).unwrap_or(directory);
    let config = configuration(&root.join(".dvc"), surroundings)?;
    let (address, name) = if url.starts_with("http://") || url.starts_with("https://") {
        url.rsplit_once('/').filter(|(folder, _)| !folder.ends_with('/')).unwrap_or((url, ""))
    } else {
        (url, "")
    };
    let section = Section::from_iter([("url".to_owned(), address.to_owned())]);
    let shown = without_secrets(url);
    let opening = Opening { surroundings, name: &shown, section: &section, reading: true };
    Ok(match opening.located(&config)? {
        Located::Directory(path) => Stored::Path(path),
        Located::Store { store, prefix, .. } => {
            let key = if name.is_empty() { prefix.trim_matches('/').to_owned() } else { name.to_owned() };
            Stored::Objects { store: store.objects, key, url: shown }
        }
    })
}

/// Where an address leads.
enum Located {
    Directory(PathBuf),
    Store { store: Store, prefix: String, stall: Duration, url: String },
}

#[derive(Clone, Copy)]
struct Opening<'a> {
    surroundings: &'a Surroundings,
    name: &'a str,
    section: &'a Section,
    /// Objects are read by a library that knows nothing of stalls: its client does, and repeats.
    reading: bool,
}

impl Opening<'_> {
    fn refused(&self, why: impl std::fmt::Display) -> DataError {
        DataError::Config(format!("remote '{}': {why}", self.name))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.section.get(key).map(String::as_str)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.surroundings.variables.get(name).cloned()
    }

    fn place(&self, config: &DvcConfig) -> Result<(Place, String), DataError> {
        Ok(match self.located(config)? {
            Located::Directory(path) => {
                let shown = path.display().to_string();
                (Place::Directory(path), self.get("url").filter(|u| !u.starts_with("remote://")).map_or(shown, str::to_owned))
            }
            Located::Store { store, prefix, stall, url } => {
                let cloud = Cloud::new(store, &prefix, Patience { stall }).map_err(|why| self.refused(why))?;
                (Place::Cloud(Box::new(cloud)), url)
            }
        })
    }

    fn located(&self, config: &DvcConfig) -> Result<Located, DataError> {
        let url = self.get("url").ok_or_else(|| self.refused("it has no url: `tidegate remote modify NAME url URL`"))?;
        for key in ["version_aware", "worktree"] {
            if self.get(key).is_some_and(is_true) {
                return Err(self.refused(format!("{key} is not supported: objects are kept by content")));
            }
        }
        if let Some(rest) = url.strip_prefix("remote://") {
            let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
            let base = config.remote(name).ok_or_else(|| self.refused(format!("it stands on '{name}', which there is not")))?;
            if base.get("url").is_some_and(|u| u.starts_with("remote://")) {
                return Err(self.refused("it stands on a remote that stands on another"));
            }
            let mut section = base.clone();
            section.extend(self.section.clone());
            section.insert("url".to_owned(), format!("{}/{path}", base.get("url").map_or("", String::as_str).trim_end_matches('/')));
            return Opening { section: &section, ..*self }.located(config);
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Located::Directory(PathBuf::from(url)));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (store, prefix) = match scheme {
            "file" => return Ok(Located::Directory(Path::new("/").join(rest.trim_start_matches('/')))),
            "s3" => (self.s3(bucket)?, prefix),
            "gs" => (self.gs(bucket)?, prefix),
            "azure" => (self.azure(bucket)?, prefix),
            "http" | "https" => (self.http(url)?, ""),
            other => {
                let message = format!("{other}:// is not supported: a directory, s3://, gs://, azure:// or http(s):// are");
                return Err(self.refused(message));
            }
        };
        let stall = self.seconds(&["read_timeout", "timeout"], STALL)?;
        Ok(Located::Store { store, prefix: prefix.to_owned(), stall, url: without_secrets(url) })
    }

    fn retries(&self) -> RetryConfig {
        if self.reading {
            RetryConfig { max_retries: READ_TRIES, retry_timeout: READ_TIME, ..RetryConfig::default() }
        } else {
            super::cloud::retries()
        }
    }

    fn seconds(&self, keys: &[&str], otherwise: Duration) -> Result<Duration, DataError> {
        let Some((key, text)) = keys.iter().find_map(|key| Some((*key, self.get(key)?))) else { return Ok(otherwise) };
        let seconds = text.parse::<f64>().ok().filter(|s| (0.001..=86_400.0).contains(s));
        let seconds = seconds.ok_or_else(|| self.refused(format!("{key} is `{text}`: it is seconds, above 0 and up to a day")))?;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// A whole transfer may take as long as it makes headway; stalls are noticed by whoever reads.
    fn client(&self, plain: bool) -> Result<Client, DataError> {
        let connect = self.seconds(&["connect_timeout", "connection_timeout"], CONNECT)?;
        let stall = if self.reading { Some(self.seconds(&["read_timeout", "timeout"], STALL)?) } else { None };
        let mut client = Client { connect, stall, plain, headers: HeaderMap::new(), certificates: Vec::new(), trusts_any: false };
        match self.get("ssl_verify") {
            None => {}
            Some(word) if is_true(word) => {}
            Some(word) if word.eq_ignore_ascii_case("false") => client.trusts_any = true,
            Some(path) => {
                let bytes = std::fs::read(path).map_err(DataError::io("read the certificates", Path::new(path)))?;
                client.certificates = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|e| self.refused(format!("{path}: {e}")))?;
            }
        }
        Ok(client)
    }

    fn anonymous(&self) -> bool {
        self.get("allow_anonymous_login").is_some_and(is_true)
    }

    fn s3(&self, bucket: &str) -> Result<Store, DataError> {
        for key in
            ["sse_customer_algorithm", "sse_customer_key", "acl", "grant_read", "grant_read_acp", "grant_write_acp", "grant_full_control"]
        {
            if self.get(key).is_some() {
                return Err(self.refused(format!("{key} is not supported")));
            }
        }
        let profile = self.get("profile").map(str::to_owned).or_else(|| self.variable("AWS_PROFILE"));
        let file = self.aws_profile(profile.as_deref().unwrap_or("default"))?;
        let pick = |key: &str, variable: &str, own: &str| {
            self.get(key).map(str::to_owned).or_else(|| self.variable(variable)).or_else(|| file.get(own).cloned())
        };
        let region = pick("region", "AWS_REGION", "region").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_region(region.unwrap_or_else(|| "us-east-1".to_owned()));
        let endpoint = self.get("endpointurl").map(str::to_owned).or_else(|| self.variable("AWS_ENDPOINT_URL"));
        let plain = endpoint.as_ref().is_some_and(|e| e.starts_with("http://"));
        match endpoint {
            Some(endpoint) => builder = builder.with_endpoint(endpoint.trim_end_matches('/')),
            None => builder = builder.with_virtual_hosted_style_request(!bucket.contains('.')),
        }
        let key = pick("access_key_id", "AWS_ACCESS_KEY_ID", "aws_access_key_id");
        let secret = pick("secret_access_key", "AWS_SECRET_ACCESS_KEY", "aws_secret_access_key");
        match (key, secret) {
            (Some(key), Some(secret)) => {
                builder = builder.with_access_key_id(key).with_secret_access_key(secret);
                if let Some(token) = pick("session_token", "AWS_SESSION_TOKEN", "aws_session_token") {
                    builder = builder.with_token(token);
                }
            }
            _ if self.anonymous() => builder = builder.with_skip_signature(true),
            // Without these the library would ask the address where some clouds hand out credentials.
            _ => return Err(self.refused("no credentials: set access_key_id and secret_access_key (with --local), a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or allow_anonymous_login")),
        }
        if let Some(id) = self.get("sse_kms_key_id") {
            builder = builder.with_sse_kms_encryption(id);
        }
        let builder = builder.with_retry(self.retries()).with_client_options(options(plain)).with_http_connector(self.client(plain)?);
        Ok(Store::with_parts(builder.build().map_err(|e| self.refused(e))?))
    }

    /// The keys of a profile in Amazon's own files.
    fn aws_profile(&self, profile: &str) -> Result<Section, DataError> {
        let home = self.surroundings.home.as_deref();
        let own = |key: &str, variable: &str, name: &str| {
            let named = self.get(key).map(str::to_owned).or_else(|| self.variable(variable)).map(PathBuf::from);
            named.or_else(|| home.map(|h| h.join(".aws").join(name)))
        };
        let mut found = Section::new();
        for (file, section) in [
            (
                own("configpath", "AWS_CONFIG_FILE", "config"),
                if profile == "default" { profile.to_owned() } else { format!("profile {profile}") },
            ),
            (own("credentialpath", "AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile.to_owned()),
        ] {
            let Some(text) = file.and_then(|f| std::fs::read_to_string(f).ok()) else { continue };
            let mut inside = false;
            for line in text.lines().map(str::trim) {
                if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                    inside = name.trim() == section;
                } else if inside && let Some((key, value)) = line.split_once('=') {
                    found.insert(key.trim().to_owned(), value.trim().to_owned());
                }
            }
        }
        Ok(found)
    }

    fn gs(&self, bucket: &str) -> Result<Store, DataError> {
        let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
        let endpoint = self.get("endpointurl");
        if let Some(endpoint) = endpoint {
            builder = builder.with_base_url(endpoint);
        }
        let file = self.get("credentialpath").map(str::to_owned).or_else(|| self.variable("GOOGLE_APPLICATION_CREDENTIALS"));
        let usual = self.surroundings.home.as_ref().map(|h| h.join(".config/gcloud/application_default_credentials.json"));
        let file = file.or_else(|| usual.filter(|f| f.is_file()).map(|f| f.display().to_string()));
        builder = match file {
            Some(file) => builder.with_application_credentials(file),
            // The library asks for credentials before it writes, whatever it was told: with none at hand it would ask the
            // address where clouds hand them out.
            None if self.anonymous() => {
                let nobody = GcpCredential { bearer: String::new() };
                builder.with_skip_signature(true).with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            }
            None => {
                return Err(self.refused("no credentials: set credentialpath or GOOGLE_APPLICATION_CREDENTIALS, or allow_anonymous_login"));
            }
        };
        let plain = endpoint.is_some_and(|e| e.starts_with("http://"));
        let builder = builder.with_retry(self.retries()).with_client_options(options(plain)).with_http_connector(self.client(plain)?);
        Ok(Store::with_parts(builder.build().map_err(|e| self.refused(e))?))
    }

    fn azure(&self, container: &str) -> Result<Store, DataError> {
        let text = self.get("connection_string").map(str::to_owned).or_else(|| self.variable("AZURE_STORAGE_CONNECTION_STRING"));
        let parts = |key: &str| {
            let text = text.as_deref()?;
            text.split(';').find_map(|part| Some(part.split_once('=').filter(|(k, _)| k.eq_ignore_ascii_case(key))?.1.to_owned()))
        };
        let pick = |key: &str, variable: &str, part: &str| {
            self.get(key).map(str::to_owned).or_else(|| parts(part)).or_else(|| self.variable(variable))
        };
        let account = pick("account_name", "AZURE_STORAGE_ACCOUNT", "AccountName");
        let account = account.ok_or_else(|| self.refused("no account: set account_name or connection_string"))?;
        let mut builder = MicrosoftAzureBuilder::new().with_container_name(container).with_account(account);
        let endpoint = parts("BlobEndpoint");
        if let Some(endpoint) = &endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        builder = if let Some(key) = pick("account_key", "AZURE_STORAGE_KEY", "AccountKey") {
            builder.with_access_key(key)
        } else if let Some(token) = pick("sas_token", "AZURE_STORAGE_SAS_TOKEN", "SharedAccessSignature") {
            builder.with_config(AzureConfigKey::SasKey, token.trim_start_matches('?'))
        } else if let (Some(tenant), Some(id), Some(secret)) = (
            pick("tenant_id", "AZURE_TENANT_ID", ""),
            pick("client_id", "AZURE_CLIENT_ID", ""),
            pick("client_secret", "AZURE_CLIENT_SECRET", ""),
        ) {
            builder.with_client_secret_authorization(id, secret, tenant)
        } else if self.anonymous() {
            builder.with_skip_signature(true)
        } else {
            return Err(self.refused("no credentials: set connection_string, account_key, sas_token, or tenant_id with client_id and client_secret; or allow_anonymous_login"));
        };
        let plain = endpoint.is_some_and(|e| e.starts_with("http://"));
        let builder = builder.with_retry(self.retries()).with_client_options(options(plain)).with_http_connector(self.client(plain)?);
        Ok(Store::with_parts(builder.build().map_err(|e| self.refused(e))?))
    }

    fn http(&self, url: &str) -> Result<Store, DataError> {
        let method = self.get("method").unwrap_or("POST");
        if !method.eq_ignore_ascii_case("put") && self.get("method").is_some() {
            return Err(self.refused(format!("method is {method}; only PUT is supported: `tidegate remote modify NAME method PUT`")));
        }
        let password = self.get("password").unwrap_or_default();
        let header = match self.get("auth").map(str::to_lowercase).as_deref() {
            None => None,
            Some("basic") => {
                let pair = format!("{}:{password}", self.get("user").unwrap_or_default());
                Some(("authorization".to_owned(), format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))))
            }
            Some("custom") => {
                let name =
                    self.get("custom_auth_header").ok_or_else(|| self.refused("auth is custom, but there is no custom_auth_header"))?;
                Some((name.to_lowercase(), password.to_owned()))
            }
            Some(other) => return Err(self.refused(format!("auth is {other}; basic and custom are supported"))),
        };
        let header: HashMap<String, String> = header.into_iter().collect();
        let mut headers: HeaderMap =
            HeaderMap::try_from(&header).map_err(|_| self.refused("a user or password that no header can hold"))?;
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let plain = url.starts_with("http://");
        let client = Client { headers, ..self.client(plain)? };
        let builder = HttpBuilder::new().with_url(url.trim_end_matches('/')).with_retry(self.retries());
        let store = builder.with_client_options(options(plain)).with_http_connector(client).build().map_err(|e| self.refused(e))?;
        Ok(Store { objects: Arc::new(store), parts: None })
    }
}

/// What the library itself asks of its options: whether it may make addresses without TLS.
fn options(plain: bool) -> ClientOptions {
    ClientOptions::new().with_timeout_disabled().with_allow_http(plain)
}

fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    format!("{scheme}://{}/{}", host.rsplit('@').next().unwrap_or(host), path.split('?').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(super::without_secrets("https://u:p@host/a?sig=x"), "https://host/a");
    }
}
