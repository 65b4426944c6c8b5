//! Container images as files: held against other people's tools, unpacked, and run.

use crate::bundle::trees;
use crate::world::World;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A tool that is not ours; says so where it is missing.
fn tool(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
    });
    if found.is_none() {
        eprintln!("skipped: no {name}: set {variable}, or install it (Debian: apt-get install {name})");
    }
    found
}

#[track_caller]
fn well(command: &mut Command) -> Output {
    let said = command.output().unwrap();
    assert!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
    said
}

/// The document of a digest in a layout.
fn blob(layout: &Path, digest: &str) -> Value {
    let path = layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The manifest and the configuration of a layout's image.
fn documents(layout: &Path) -> (Value, Value) {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = blob(layout, index["manifests"][0]["digest"].as_str().unwrap());
    let config = blob(layout, manifest["config"]["digest"].as_str().unwrap());
    (manifest, config)
}

/// What every layer holds, one over the other, as the system's `tar` unpacks them.
fn unpacked(layout: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let (manifest, _) = documents(layout);
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        well(Command::new("tar").arg("xpf").arg(layout.join("blobs/sha256").join(digest)).current_dir(to));
    }
}

/// Runs the image's program in its own root and as its own user; what it said.
fn run_in(root: &Path, arguments: &[&str]) -> Option<Output> {
    let can = Command::new("chroot").arg("/").arg("true").output().is_ok_and(|said| said.status.success());
    if !can {
        eprintln!("skipped: an image cannot be run in a root of its own: that asks for root");
        return None;
    }
    let mut command = Command::new("chroot");
    command.arg("--userspec=65532:65532").arg(root).arg("/tidegate/tidegate").args(arguments);
    Some(command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap())
}

/// Runs the image's own command as a pod would: nobody's user, a root that is not written to, a volume, no network but a loopback. What
/// its gateway says of being alive; none where that cannot be made here, which is said.
fn lives_as_in_a_pod(root: &Path) -> Option<String> {
    const SCRIPT: &str = r#"
        ip link set lo up
        mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/tmp" || exit 7
        mount -t tmpfs -o uid=65532,gid=65532,mode=2770 tmpfs "$1/workspace" && mount -o remount,ro,bind "$1" || exit 7
        printf 'version: 1\nworkspace: pod\ngateway: { listen: "0.0.0.0:8700" }\n' >"$1/workspace/tidegate.yaml"
        env -i PATH="$PATH" HOME=/tmp chroot --userspec=65532:65532 "$1" /tidegate/tidegate up /workspace >pod.said 2>&1 &
        for _ in $(seq 1200); do grep -q "serving what is released" pod.said && break; kill -0 $! || { cat pod.said >&2; exit 8; }; sleep 0.05; done
        touch "$1/written" 2>/dev/null && { echo "the root is written to" >&2; exit 9; }
        exec 3<>/dev/tcp/127.0.0.1/8700
        printf 'GET /v2/health/live HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n' >&3
        cat <&3
        kill -TERM $!
        wait $!
    "#;
    if !Command::new("unshare").args(["-m", "-n", "true"]).output().is_ok_and(|said| said.status.success()) {
        eprintln!("skipped: no mounts and no network of its own can be made here: that asks for root");
        return None;
    }
    // A container's runtime makes the places that it mounts to.
    fs::create_dir(root.join("proc")).unwrap();
    let mut command = Command::new("unshare");
    let said = well(command.args(["-m", "-n", "bash", "-c", SCRIPT, "pod"]).arg(root).current_dir(root.parent().unwrap()));
    Some(String::from_utf8_lossy(&said.stdout).into_owned())
}

#[test]
fn a_control_plane_is_an_image_that_others_read_and_that_runs() {
    let world = World::new();
    let layout = world.beside("image");
    let made = world.run(&["image", "--output", text(&layout), "--plain", "--json"]).well().json();
    let layers: Vec<_> = made["layers"].as_array().unwrap().iter().map(|l| l["what"].as_str().unwrap()).collect();
    assert_eq!((layers, &made["base_layers"]), (vec!["system", "program"], &json!(0)));
    world.run(&["image", "--output", text(&layout)]).fails(5, &["write the image", "it exists, and is not overwritten"]);
    let (_, config) = documents(&layout);
    let run = &config["config"];
    assert_eq!(
        (&run["User"], &run["Entrypoint"], &run["Cmd"]),
        (&json!("65532:65532"), &json!(["/tidegate/tidegate"]), &json!(["up", "/workspace"]))
    );
    assert_eq!(run["ExposedPorts"], json!({ "8700/tcp": {}, "8701/tcp": {} }));
    assert_eq!(
        (&run["Labels"]["org.opencontainers.image.title"], &config["created"]),
        (&json!("tidegate"), &json!("1970-01-01T00:00:00Z"))
    );

    // The same input is the same image, also later and elsewhere; another time is another one.
    let again = world.beside("again");
    let second = world.run(&["image", "--output", text(&again), "--plain", "--json"]).well().json();
    assert_eq!(made["digest"], second["digest"]);
    fs::remove_dir_all(&again).unwrap();
    world.set("SOURCE_DATE_EPOCH", "1700000000");
    let later = world.run(&["image", "--output", text(&again), "--plain", "--json"]).well().json();
    assert_ne!(made["digest"], later["digest"]);
    assert_eq!(documents(&again).1["created"], json!("2023-11-14T22:13:20Z"));
    world.is_clean();

    let root = world.beside("root");
    unpacked(&layout, &root);
    if let Some(said) = run_in(&root, &["--version"]) {
        assert!(said.status.success(), "{said:?}");
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), concat!("tidegate ", env!("CARGO_PKG_VERSION")));
    }
    if let Some(said) = lives_as_in_a_pod(&root) {
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
    if let Some(skopeo) = tool("TIDEGATE_TEST_SKOPEO", "skopeo") {
        let said = well(Command::new(skopeo).arg("inspect").arg(format!("oci:{}:latest", text(&layout))));
        let seen: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(
            (&seen["Digest"], &seen["Architecture"], &seen["Os"]),
            (&made["digest"], &config["architecture"], &json!("linux")),
            "{seen}"
        );
        assert_eq!(seen["Layers"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_bundle_is_an_image_that_serves_itself_and_stands_on_others() {
    let world = trees();
    let (layout, bundle, root) = (world.beside("image"), world.beside("m.tar"), world.beside("root"));
    world.run(&["bundle", "m", "--output", text(&bundle)]).well();
    let made =
        world.run(&["image", "--bundle", text(&bundle), "--output", text(&layout), "--plain", "--tag", "v1", "--json"]).well().json();
    let (_, config) = documents(&layout);
    assert_eq!(config["config"]["Cmd"], json!(["bundle", "run", "/tidegate", "--listen", "0.0.0.0:8700"]));
    assert_eq!(
        (&config["config"]["Labels"]["org.opencontainers.image.version"], &config["config"]["ExposedPorts"]),
        (&json!("1"), &json!({ "8700/tcp": {} }))
    );
    if let Some(umoci) = tool("TIDEGATE_TEST_UMOCI", "umoci") {
        // Another reader of layouts: its digests, its unpacking.
        let to = world.beside("umoci");
        well(Command::new(umoci).args(["unpack", "--rootless", "--image"]).arg(format!("{}:v1", text(&layout))).arg(&to));
        fs::rename(to.join("rootfs"), &root).unwrap();
    } else {
        unpacked(&layout, &root);
    }
    if let Some(said) = run_in(&root, &["bundle", "verify", "/tidegate", "--json"]) {
        assert!(said.status.success(), "{said:?}");
        let seen: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!((&seen["golden"]["asked"], &seen["golden"]["exact"]), (&json!(1), &json!(1)));
    }
    // On another image: its layers, its digests, and nothing of this system.
    let above = world.beside("above");
    let on = world.run(&["image", "--bundle", text(&bundle), "--base", text(&layout), "--output", text(&above), "--json"]).well().json();
    assert_eq!((&on["base_layers"], on["layers"].as_array().unwrap().len()), (&json!(made["layers"].as_array().unwrap().len()), 2));
    let ids = |layout: &Path| documents(layout).1["rootfs"]["diff_ids"].as_array().unwrap().clone();
    assert!(ids(&above).starts_with(&ids(&layout)) && ids(&above).len() == 5);
    // Packed or not, a layer is the same when it is unpacked.
    assert_eq!(ids(&above)[3..], ids(&layout)[1..]);
    let layer = made["layers"][2]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let path = layout.join("blobs/sha256").join(layer);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = world.beside("refused");
    world.run(&["image", "--bundle", text(&bundle), "--base", text(&layout), "--output", text(&refused)]).fails(3, &[layer, "is damaged"]);
    world.run(&["image", "--base", text(&root), "--output", text(&refused)]).fails(3, &["stack on the image in", "no oci-layout"]);
    assert!(!refused.exists());
    world.is_clean();
}
