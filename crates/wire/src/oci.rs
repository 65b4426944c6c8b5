//! Container images as files: the documents of an OCI image layout (image-spec 1.1), written and read.
//!
//! An index names a manifest, a manifest names a configuration and layers; each by digest and length. The documents come out the
//! same for the same content. Not here: archives of layers, blobs on disk, registries.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Content of the file `oci-layout`.
pub const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
/// Name of that file.
pub const LAYOUT_FILE: &str = "oci-layout";
/// Name of the index.
pub const INDEX_FILE: &str = "index.json";
/// Largest document that is read, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most layers of an image.
pub const LAYERS_MAX: usize = 127;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a layer that is packed.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a layer that is not.
pub const LAYER_PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
/// Annotation with the name of an image in an index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A reference to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Its length.
    pub size: u64,
    /// For which platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As `amd64`.
    pub architecture: String,
    /// As `linux`.
    pub os: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Vec<Descriptor>,
}

/// An image's manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// How a container of an image is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Run {
    /// User and group, as numbers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports that it listens on, as `8700/tcp`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Variables, as `NAME=VALUE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What is run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Its arguments, where a user gives none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Where it is run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that ends it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
}

/// An object without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The unpacked layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    pub r#type: String,
    /// Digests of the layers as they are unpacked, the lowest first.
    pub diff_ids: Vec<String>,
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// When.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// What was done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether it made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// An image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// When it was made.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// As `amd64`.
    pub architecture: String,
    /// As `linux`.
    pub os: String,
    /// How it is run.
    pub config: Run,
    /// Its layers.
    pub rootfs: RootFs,
    /// How it came about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Step>,
}

/// The processor's name in images, from that of an ELF file; none where there is no common one.
#[must_use]
pub fn architecture(machine: &str) -> Option<&'static str> {
    match machine {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "riscv64" => Some("riscv64"),
        "powerpc64" => Some("ppc64le"),
        _ => None,
    }
}

impl Descriptor {
    /// A reference to a blob with this digest in hex.
    #[must_use]
    pub fn new(media_type: &str, sha256: &str, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{sha256}"),
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The digest's hex digits.
    ///
    /// # Errors
    /// When it is another kind of digest.
    pub fn sha256(&self) -> Result<&str, String> {
        let hex = self.digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        hex.ok_or_else(|| format!("digest `{}` is not `sha256:` and 64 hex digits", self.digest))
    }
}

/// The configuration as bytes.
#[must_use]
pub fn config_json(config: &Config) -> String {
    serde_json::to_string(config).unwrap_or_default()
}

/// The manifest of a configuration and its layers, as bytes.
#[must_use]
pub fn manifest_json(config_sha256: &str, config_bytes: u64, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> String {
    let config = Descriptor::new(CONFIG, config_sha256, config_bytes);
    let manifest = Manifest { schema_version: 2, media_type: MANIFEST.to_owned(), config, layers, annotations };
    serde_json::to_string(&manifest).unwrap_or_default()
}

/// The index of one manifest under a name, as bytes.
#[must_use]
pub fn index_json(manifest_sha256: &str, manifest_bytes: u64, platform: Platform, name: &str) -> String {
    let mut manifest = Descriptor::new(MANIFEST, manifest_sha256, manifest_bytes);
    manifest.platform = Some(platform);
    manifest.annotations.insert(REF_NAME.to_owned(), name.to_owned());
    let index = Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: vec![manifest] };
    serde_json::to_string(&index).unwrap_or_default()
}

/// What an index leads to, for a platform: a manifest, or an index further down.
///
/// # Errors
/// A sentence, when it is none, or has nothing for the platform.
pub fn choose(index: &[u8], platform: &Platform) -> Result<Descriptor, String> {
    let index: Index = serde_json::from_slice(index).map_err(|e| format!("it is no index of images: {e}"))?;
    let fits = |d: &&Descriptor| d.platform.as_ref().is_none_or(|p| p == platform);
    let known = |d: &&Descriptor| [INDEX, MANIFEST].contains(&d.media_type.as_str());
    let mut there = index.manifests.iter().filter(known).filter(fits);
    match (there.next(), there.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => Err(format!("it has no OCI image for {}/{}", platform.os, platform.architecture)),
        (Some(_), Some(_)) => Err(format!("it has several images for {}/{}: leave one", platform.os, platform.architecture)),
    }
}

/// Whether a reference leads to an index.
#[must_use]
pub fn is_index(descriptor: &Descriptor) -> bool {
    descriptor.media_type == INDEX
}

/// Reads a manifest.
///
/// # Errors
/// A sentence, when it is none.
pub fn manifest(bytes: &[u8]) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| format!("it is no manifest of an image: {e}"))?;
    if manifest.layers.len() > LAYERS_MAX {
        return Err(format!("it has {} layers: at most {LAYERS_MAX}", manifest.layers.len()));
    }
    Ok(manifest)
}

/// Reads a configuration.
///
/// # Errors
/// A sentence, when it is none.
pub fn config(bytes: &[u8]) -> Result<Config, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("it is no configuration of an image: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn amd64() -> Platform {
        Platform { architecture: "amd64".to_owned(), os: "linux".to_owned() }
    }

    #[test]
    fn documents_are_as_the_specification_has_them() {
        let mut run = Run { user: "65532:65532".to_owned(), entrypoint: vec!["/tidegate/tidegate".to_owned()], ..Run::default() };
        run.exposed_ports.insert("8700/tcp".to_owned(), Empty {});
        let rootfs = RootFs { r#type: "layers".to_owned(), diff_ids: vec![format!("sha256:{}", "1".repeat(64))] };
        let written = Config { architecture: "amd64".to_owned(), os: "linux".to_owned(), config: run, rootfs, ..Config::default() };
        let text = config_json(&written);
        expect![[r#"{"architecture":"amd64","os":"linux","config":{"User":"65532:65532","ExposedPorts":{"8700/tcp":{}},"Entrypoint":["/tidegate/tidegate"]},"rootfs":{"type":"layers","diff_ids":["sha256:1111111111111111111111111111111111111111111111111111111111111111"]}}"#]].assert_eq(&text);
        assert_eq!(config(text.as_bytes()), Ok(written));
        let layer = Descriptor::new(LAYER_GZIP, &"2".repeat(64), 9);
        let text = manifest_json(&"3".repeat(64), 10, vec![layer.clone()], BTreeMap::new());
        assert_eq!(manifest(text.as_bytes()).unwrap().layers, vec![layer]);
        let text = index_json(&"4".repeat(64), 11, amd64(), "latest");
        expect![[r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:4444444444444444444444444444444444444444444444444444444444444444","size":11,"platform":{"architecture":"amd64","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}"#]].assert_eq(&text);
        assert_eq!(choose(text.as_bytes(), &amd64()).unwrap().sha256(), Ok("4".repeat(64).as_str()));
        let arm = Platform { architecture: "arm64".to_owned(), ..amd64() };
        assert_eq!(choose(text.as_bytes(), &arm), Err("it has no OCI image for linux/arm64".to_owned()));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(choose(b"{}", &amd64()).unwrap_err().contains("no index of images"));
        assert!(manifest(b"[]").unwrap_err().contains("no manifest of an image"));
        assert!(config(b"1").unwrap_err().contains("no configuration of an image"));
        for digest in ["sha512:00", "sha256:../../x", ""] {
            let descriptor = Descriptor { digest: digest.to_owned(), ..Descriptor::new(LAYER_PLAIN, "", 0) };
            assert!(descriptor.sha256().is_err(), "{digest}");
        }
    }
}
