//! A container image out of the program, what it needs of the system, and a bundle: three layers, of which the highest changes most.

use super::archive::Content;
use super::layout::{Base, Entry, Layer, Layout};
use super::libraries;
use super::opened::Opened;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidegate_wire::bundle::{LIBRARY, MANIFEST, PROGRAM, SIGNATURE};
use tidegate_wire::oci::{self, Config, Empty, Platform, RootFs, Run, Step};

/// Where program and bundle lie.
const HOME: &str = "tidegate";
/// User and group that it runs as: nobody's, with a number that no machine gives to a person.
const USER: u32 = 65_532;
/// Where a control plane has its workspace: a volume.
const WORKSPACE: &str = "/workspace";
/// Certificates of the authorities that the system trusts.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// Ports of gateway and console.
const GATEWAY: u16 = 8700;
const CONSOLE: u16 = 8701;

/// What an image is made of.
pub struct Wanted<'a> {
    /// The bundle that it serves; without one it is a control plane.
    pub bundle: Option<&'a Opened>,
    /// The program of a control plane.
    pub program: PathBuf,
    /// ONNX Runtime of a control plane.
    pub library: Option<PathBuf>,
    /// A layout to stack on, in place of what is taken of this system.
    pub base: Option<PathBuf>,
    /// Name in the index.
    pub tag: String,
    /// Whether layers are packed.
    pub packed: bool,
    /// Time of every file, in seconds since the Unix epoch.
    pub time_s: u64,
}

/// An image that was made.
pub struct Made {
    /// Digest of its manifest, by which it is pulled.
    pub digest: String,
    /// For which platform.
    pub platform: Platform,
    /// Layers of its own, the lowest first, each with what it is.
    pub layers: Vec<(&'static str, Layer)>,
    /// Layers of what it stands on.
    pub base_layers: usize,
}

/// Writes the image as an OCI layout.
///
/// # Errors
/// When there is something already, a file cannot be read or found, or the disk refuses.
pub fn write(wanted: &Wanted<'_>, output: &Path) -> Result<Made> {
    if output.exists() {
        return Err(failure(
            exit::REFUSED,
            format!("write the image {}: it exists, and is not overwritten: remove it, or name another folder", output.display()),
        ));
    }
    let above = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let making = tempfile::Builder::new()
        .prefix(".tidegate-tmp-")
        .tempdir_in(above)
        .with_context(|| format!("write the image {}", output.display()))?;
    let layout = Layout::new(making.path())?;
    let files = Files::of(wanted)?;
    let machine = libraries::machine(&files.program)?;
    let architecture = oci::architecture(machine)
        .ok_or_else(|| failure(exit::USAGE, format!("write an image: it is for {machine}, which images have no name for")))?;
    let platform = Platform { architecture: architecture.to_owned(), os: "linux".to_owned() };
    let base = wanted.base.as_ref().map(|dir| Base::open(dir, &platform)).transpose()?;
    let mut layers = vec![];
    if base.is_none() {
        let entries = files.system()?;
        layers.push(("system", layout.layer(&[("tmp", 0o1777), ("workspace", 0o755)], &entries, wanted.packed, wanted.time_s)?));
    }
    layers.push(("program", layout.layer(&[], &files.own, wanted.packed, wanted.time_s)?));
    if !files.model.is_empty() {
        layers.push(("model", layout.layer(&[], &files.model, wanted.packed, wanted.time_s)?));
    }
    for descriptor in base.iter().flat_map(|base| &base.layers) {
        layout.copy(base.as_ref().context("stack on an image")?, descriptor)?;
    }
    let digest = documents(wanted, &layout, &platform, base.as_ref(), &layers)?;
    let base_layers = base.map_or(0, |base| base.layers.len());
    std::fs::rename(making.keep(), output).with_context(|| format!("move the image to {}", output.display()))?;
    open_to_read(output)?;
    Ok(Made { digest, platform, layers, base_layers })
}

/// A folder that was made for its owner alone is readable as others are.
fn open_to_read(output: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(output, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("write the image {}", output.display()))
}

/// Configuration, manifest and index; the manifest's digest.
fn documents(wanted: &Wanted<'_>, layout: &Layout, platform: &Platform, base: Option<&Base>, layers: &[(&str, Layer)]) -> Result<String> {
    let created =
        jiff::Timestamp::from_second(i64::try_from(wanted.time_s).unwrap_or(i64::MAX)).context("tell the time of the image")?.to_string();
    let below = base.map(|base| base.config.clone()).unwrap_or_default();
    let mut diff_ids = below.rootfs.diff_ids;
    diff_ids.extend(layers.iter().map(|(_, layer)| layer.diff_id.clone()));
    let mut history = below.history;
    history.extend(layers.iter().map(|(what, _)| Step {
        created: created.clone(),
        created_by: format!("tidegate image: {what}"),
        ..Step::default()
    }));
    let config = Config {
        created: created.clone(),
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        config: how_it_runs(wanted, below.config.env, &created),
        rootfs: RootFs { r#type: "layers".to_owned(), diff_ids },
        history,
    };
    let labels = config.config.labels.clone();
    let config = oci::config_json(&config);
    let config_sha256 = layout.put(config.as_bytes())?;
    let mut all = base.map(|base| base.layers.clone()).unwrap_or_default();
    all.extend(layers.iter().map(|(_, layer)| layer.descriptor.clone()));
    let manifest = oci::manifest_json(&config_sha256, config.len() as u64, all, labels);
    let sha256 = layout.put(manifest.as_bytes())?;
    layout.end(&oci::index_json(&sha256, manifest.len() as u64, platform.clone(), &wanted.tag))?;
    Ok(format!("sha256:{sha256}"))
}

fn how_it_runs(wanted: &Wanted<'_>, mut env: Vec<String>, created: &str) -> Run {
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        env.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    }
    let has_library = wanted.bundle.map_or(wanted.library.is_some(), |bundle| bundle.library().is_some());
    if has_library {
        env.push(format!("TIDEGATE_ONNXRUNTIME=/{HOME}/{LIBRARY}"));
    }
    let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    let mut labels = BTreeMap::from([
        label("created", created),
        label("licenses", env!("CARGO_PKG_LICENSE")),
        label("source", env!("CARGO_PKG_REPOSITORY")),
    ]);
    let program = format!("/{HOME}/{PROGRAM}");
    let (cmd, ports) = match wanted.bundle {
        Some(bundle) => {
            let manifest = &bundle.manifest;
            let what = format!("Version {} of {}, served by Tidegate", manifest.version, manifest.model);
            labels.extend([label("title", &manifest.model), label("version", &manifest.version), label("description", &what)]);
            labels.insert("dev.tidegate.bundle".to_owned(), format!("sha256:{}", bundle.sha256));
            let listen = format!("0.0.0.0:{GATEWAY}");
            (vec!["bundle".to_owned(), "run".to_owned(), format!("/{HOME}"), "--listen".to_owned(), listen], vec![GATEWAY])
        }
        None => {
            labels.extend([
                label("title", "tidegate"),
                label("version", env!("CARGO_PKG_VERSION")),
                label("description", "The release control plane for machine-learning systems"),
            ]);
            (vec!["up".to_owned(), WORKSPACE.to_owned()], vec![GATEWAY, CONSOLE])
        }
    };
    Run {
        user: format!("{USER}:{USER}"),
        exposed_ports: ports.into_iter().map(|port| (format!("{port}/tcp"), Empty {})).collect(),
        env,
        entrypoint: vec![program],
        cmd,
        working_dir: if wanted.bundle.is_some() { format!("/{HOME}") } else { WORKSPACE.to_owned() },
        labels,
        stop_signal: "SIGTERM".to_owned(),
    }
}

/// The files of an image.
struct Files {
    program: PathBuf,
    library: Option<PathBuf>,
    /// Program and library.
    own: Vec<Entry>,
    /// The rest of a bundle.
    model: Vec<Entry>,
}

impl Files {
    fn of(wanted: &Wanted<'_>) -> Result<Files> {
        let entry =
            |name: &str, from: PathBuf| Entry { path: format!("{HOME}/{name}"), executable: name == PROGRAM, content: Content::File(from) };
        let (program, library) = match wanted.bundle {
            Some(bundle) => (bundle.dir.join(PROGRAM), bundle.library()),
            None => (wanted.program.clone(), wanted.library.clone()),
        };
        let mut own = vec![entry(PROGRAM, program.clone())];
        own.extend(library.as_ref().map(|library| entry(LIBRARY, library.clone())));
        let mut model = vec![];
        if let Some(bundle) = wanted.bundle {
            let rest = bundle.manifest.members.iter().map(|m| m.name.as_str()).filter(|name| ![PROGRAM, LIBRARY].contains(name));
            let signature = Some(SIGNATURE).filter(|name| bundle.dir.join(name).is_file());
            model.extend([MANIFEST].into_iter().chain(signature).chain(rest).map(|name| entry(name, bundle.dir.join(name))));
        }
        Ok(Files { program, library, own, model })
    }

    /// What they need of a system, taken from this one.
    fn system(&self) -> Result<Vec<Entry>> {
        let text =
            |path: &str, text: String| Entry { path: path.to_owned(), executable: false, content: Content::Bytes(text.into_bytes()) };
        let mut entries = vec![
            text("etc/passwd", format!("root:x:0:0:root:/:/sbin/nologin\ntidegate:x:{USER}:{USER}:tidegate:/:/sbin/nologin\n")),
            text("etc/group", format!("root:x:0:\ntidegate:x:{USER}:\n")),
            text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        ];
        let certificates = Path::new("/").join(CERTIFICATES);
        if certificates.is_file() {
            entries.push(Entry { path: CERTIFICATES.to_owned(), executable: false, content: Content::File(certificates) });
        }
        let files: Vec<&Path> = [self.program.as_path()].into_iter().chain(self.library.as_deref()).collect();
        for (place, file) in libraries::needed(&files)? {
            let path = place.strip_prefix("/").unwrap_or(&place).to_string_lossy().into_owned();
            entries.push(Entry { path, executable: true, content: Content::File(file) });
        }
        Ok(entries)
    }
}
