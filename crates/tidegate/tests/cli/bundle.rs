//! A version as one file: made in one place, and served in another without a workspace and without a network.

use crate::world::{Said, World, has_runtime, in_order};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_core::id::Digest;
use tidegate_store::tlog::{LogSigner, note};
use tidegate_wire::bundle::{self, Manifest};
use tidegate_wire::tar::Header;

const CONFIG: &str = "version: 1\nworkspace: trees\n\
    models:\n  m: { artifact: model.bin, golden: golden.json, gates: { speed: { latency_p99_ms: 60000 } } }\nservices:\n  s: { model: m }\n";
const TOKEN: &str = "only-for-this-test";

pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../runtime/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A workspace with version 1 of `m`, and its golden request.
pub fn registered(model: &[u8], inputs: &Value) -> World {
    let golden = json!({ "requests": [{ "id": "all", "inputs": inputs }] }).to_string();
    let world = World::with(&[("tidegate.yaml", CONFIG), ("golden.json", &golden)]);
    fs::write(world.path("model.bin"), model).unwrap();
    world.run(&["gate"]).well();
    world
}

/// A model of LightGBM, which needs no library, and twelve rows.
pub fn trees() -> World {
    let expected: Value = serde_json::from_slice(&fixture("trees/lightgbm-4.7.0.expected.json")).unwrap();
    let rows = expected["rows"].clone();
    let inputs = json!([{ "name": "input__0", "datatype": "FP64", "shape": [rows.as_array().unwrap().len(), 4], "data": rows }]);
    registered(&fixture("trees/lightgbm-4.7.0-binary.txt"), &inputs)
}

/// The model that adds and subtracts, which needs ONNX Runtime.
fn sums() -> World {
    registered(&fixture("simple.onnx"), &crate::up::tensors())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with what the bundle in `world` is unpacked to, by the system's own program.
fn unpacked(world: &World, bundle: &Path, name: &str) -> PathBuf {
    let dir = world.beside(name);
    fs::create_dir(&dir).unwrap();
    assert!(Command::new("tar").arg("xf").arg(bundle).current_dir(&dir).status().unwrap().success());
    dir
}

/// Whether a network of its own can be made for a process; says so where it cannot.
fn has_no_network() -> bool {
    let can = Command::new("unshare").args(["-n", "ip", "link", "set", "lo", "up"]).output().is_ok_and(|said| said.status.success());
    if !can {
        eprintln!("skipped: no network of its own can be made here: it asks for root, `unshare` and `ip` (util-linux, iproute2)");
    }
    can
}

/// Serves a bundle where there is nothing but its folder and a loopback, and asks its golden request; the whole answer.
///
/// The shell is the client too: nobody outside of that network could ask.
fn asked_without_network(dir: &Path, program: &str, bundle: &str) -> Said {
    const SCRIPT: &str = r#"
        ip link set lo up
        [ "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo ] || { echo "there is a network" >&2; exit 9; }
        "$1" bundle run "$2" --token-file token --json >said 2>notes &
        for _ in $(seq 1200); do grep -q url said && break; kill -0 $! || { cat notes >&2; exit 8; }; sleep 0.05; done
        exec 3<>/dev/tcp/127.0.0.1/8700
        cat request >&3
        cat <&3
        kill $!
        wait
    "#;
    fs::write(dir.join("token"), format!("{TOKEN}\n")).unwrap();
    let golden: Value = serde_json::from_slice(&fs::read(dir.join("model/golden.json")).unwrap()).unwrap();
    let body = json!({ "inputs": golden["requests"][0]["inputs"] }).to_string();
    let head = format!("POST /v2/models/m/infer HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n");
    fs::write(dir.join("request"), format!("{head}content-length: {}\r\n\r\n{body}", body.len())).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-n", "bash", "-c", SCRIPT, "edge", program, bundle]).current_dir(dir);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", dir);
    let said = command.output().unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: said.status.code().unwrap_or(-1), out: words(&said.stdout), err: words(&said.stderr) }
}

/// What was answered is what was recorded, bit for bit.
#[track_caller]
fn is_as_recorded(dir: &Path, said: Said) {
    let said = said.well();
    assert!(said.out.starts_with("HTTP/1.1 200"), "{said:?}");
    let answer: Value = serde_json::from_str(said.out.split_once("\r\n\r\n").unwrap().1).unwrap();
    let golden: Value = serde_json::from_slice(&fs::read(dir.join("model/golden.json")).unwrap()).unwrap();
    let bits = |output: &Value| -> Vec<u64> { output["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap().to_bits()).collect() };
    let (got, known) = (answer["outputs"].as_array().unwrap(), golden["requests"][0]["expect"]["outputs"].as_array().unwrap());
    assert!(!known.is_empty() && got.len() == known.len(), "{answer}");
    for (got, known) in got.iter().zip(known) {
        assert!(!bits(known).is_empty());
        assert_eq!((&got["name"], bits(got)), (&known["name"], bits(known)));
    }
}

#[test]
fn a_bundle_answers_bit_for_bit_where_there_is_no_network() {
    let world = trees();
    let bundle = world.beside("m.tar");
    let made = world.run_without_runtime(&["bundle", "m@1", "--output", text(&bundle), "--json"]).well().json();
    let names: Vec<_> = made["manifest"]["members"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tidegate", "model/model.txt", "model/golden.json", "model/version.json"]);
    assert_eq!(
        (&made["golden"]["asked"], &made["golden"]["exact"], &made["bytes"]),
        (&json!(1), &json!(1), &json!(fs::metadata(&bundle).unwrap().len()))
    );
    assert!(made["golden"]["latency_p50_us"].as_f64().unwrap() > 0.0, "{made}");
    let vkey = world.path(".tidegate/keys/vkey");
    in_order(
        &world.run(&["bundle", "verify", text(&bundle), "--vkey", text(&vkey)]).well().out,
        &["model/model.txt", "every member", "by the key that was given", "1 golden requests answered right, 1 of them to the last digit"],
    );
    world.is_clean();
    if !has_no_network() {
        return;
    }
    let dir = unpacked(&world, &bundle, "edge");
    is_as_recorded(&dir, asked_without_network(&dir, "./tidegate", "."));
    // From the file itself, by the program that was in it.
    is_as_recorded(&dir, asked_without_network(&dir, "./tidegate", text(&bundle)));
    let left: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n.starts_with("tidegate-")).collect();
    assert_eq!(left, Vec::<String>::new(), "what was unpacked is gone");
}

#[test]
fn onnx_runtime_goes_with_a_model_that_needs_it() {
    if !has_runtime() {
        return;
    }
    let world = sums();
    let bundle = world.beside("m.tgz");
    let made = world.run(&["bundle", "m", "--output", text(&bundle)]).well().out;
    in_order(
        &made,
        &[
            "ONNX Runtime",
            "lib/libonnxruntime.so",
            "model/model.onnx",
            "manifest SHA-256",
            "signed by tidegate.local/trees/",
            "1 golden requests answered right",
        ],
    );
    if !has_no_network() {
        return;
    }
    let dir = unpacked(&world, &bundle, "edge");
    is_as_recorded(&dir, asked_without_network(&dir, "./tidegate", "."));
}

#[test]
fn what_was_changed_is_refused_by_name() {
    let world = trees();
    let (bundle, verify) = (world.beside("m.tar"), |path: &Path| world.run(&["bundle", "verify", text(path)]));
    // Any program will do where none is run: a short one is read faster.
    world.run(&["bundle", "m", "--output", text(&bundle), "--program", "/bin/true"]).well();
    world.run(&["bundle", "m", "--output", text(&bundle)]).fails(5, &["m.tar", "it exists, and is not overwritten"]);
    let dir = unpacked(&world, &bundle, "edge");
    verify(&dir).well();
    for name in ["tidegate", "model/model.txt", "model/golden.json", "model/version.json", "bundle.sig"] {
        let (path, whole) = (dir.join(name), fs::read(dir.join(name)).unwrap());
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        verify(&dir).fails(1, &["open the bundle", name, "nothing of it is used"]);
        world.run(&["bundle", "run", text(&dir), "--listen", "127.0.0.1:0"]).fails(1, &["open the bundle", name]);
        fs::remove_file(&path).unwrap();
        verify(&dir).fails(1, &["open the bundle", name, "missing"]);
        std::os::unix::fs::symlink(&bundle, &path).unwrap();
        verify(&dir).fails(1, &[name, "no regular file"]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, whole).unwrap();
    }
    verify(&dir).well();
    fs::write(dir.join("model/transform.json"), "{}").unwrap();
    verify(&dir).fails(1, &["`model/transform.json` lies in its folder, and is not in `bundle.json`"]);
    fs::remove_file(dir.join("model/transform.json")).unwrap();
    let manifest = fs::read_to_string(dir.join("bundle.json")).unwrap();
    fs::write(dir.join("bundle.json"), manifest.replace("\"tidegate_bundle\": 1", "\"tidegate_bundle\": 2")).unwrap();
    verify(&dir).fails(1, &["it is of form 2, and this program reads up to 1"]);
    fs::write(dir.join("bundle.json"), manifest.replace("\"version\": \"1\"", "\"version\": \"2\"")).unwrap();
    verify(&dir).fails(1, &["different versions"]);
    fs::write(dir.join("bundle.json"), manifest.replace("\"platform\": \"", "\"platform\": \"x")).unwrap();
    verify(&dir).fails(1, &["`bundle.sig` signs another manifest"]);
}

#[test]
fn no_archive_leads_out_of_its_folder() {
    let world = World::new();
    let (bundle, bad) = (world.beside("bad.tar"), [("../escaped", "no bundle has"), ("/tmp/escaped-of-tidegate", "no bundle has")]);
    for (name, says) in bad {
        let header = Header::file(name, 0, false, 0).write().unwrap();
        fs::write(&bundle, [header.as_slice(), &[0; 1024]].concat()).unwrap();
        world.run(&["bundle", "verify", text(&bundle)]).fails(1, &["open the bundle", name, says]);
    }
    assert!(!world.beside("escaped").exists() && !Path::new("/tmp/escaped-of-tidegate").exists());
    fs::write(&bundle, "no archive").unwrap();
    world.run(&["bundle", "verify", text(&bundle)]).fails(1, &["it breaks off before its end"]);
    world.run(&["bundle", "verify", "nowhere.tar"]).fails(4, &["open the bundle nowhere.tar", "name its file"]);
    world.is_clean();
}

/// Makes a member of an unpacked bundle another one, so that every digest fits again, signed by somebody else.
fn forged(dir: &Path, golden: &str) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    let mut version: Value = serde_json::from_slice(&fs::read(dir.join("model/version.json")).unwrap()).unwrap();
    version["golden"] = json!(Digest::of(golden.as_bytes()));
    write("model/golden.json", golden);
    write("model/version.json", &version.to_string());
    let signer = LogSigner::new("tidegate.local/somebody-else", &[9; 32]).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(dir.join("bundle.json")).unwrap()).unwrap();
    manifest.signer = signer.verifier().vkey();
    for member in &mut manifest.members {
        let bytes = fs::read(dir.join(&member.name)).unwrap();
        (member.bytes, member.sha256) = (bytes.len() as u64, hex::encode(Sha256::digest(&bytes)));
    }
    write("bundle.json", &manifest.to_json());
    write("bundle.sig", &note::sign(&bundle::signed_text(&hex::encode(Sha256::digest(manifest.to_json()))), &signer));
}

#[test]
fn a_version_that_answers_otherwise_is_not_served_and_another_key_is_told() {
    let world = trees();
    let bundle = world.beside("m.tar");
    world.run(&["bundle", "m", "--output", text(&bundle), "--program", "/bin/true"]).well();
    let dir = unpacked(&world, &bundle, "edge");
    let golden = fs::read_to_string(dir.join("model/golden.json")).unwrap();
    let number = golden.rfind("[0.").unwrap() + 1;
    forged(&dir, &format!("{}9.{}", &golden[..number], &golden[number + 2..]));
    let said = world.run(&["bundle", "verify", text(&dir)]);
    assert_eq!(said.code, 1);
    in_order(
        &said.out,
        &[
            "every member is as the manifest says",
            "signed by tidegate.local/somebody-else",
            "1 of 1 golden requests were answered otherwise: `all`",
        ],
    );
    let answered = ["serve 1 of the bundle", "1 of 1 golden requests were answered otherwise", "nothing listens"];
    world.run(&["bundle", "run", text(&dir), "--listen", "127.0.0.1:0"]).fails(1, &answered);
    let key = world.path(".tidegate/keys/vkey");
    let told = ["it is signed by tidegate.local/somebody-else", "not by the key that was given, tidegate.local/trees/"];
    world.run(&["bundle", "run", text(&dir), "--vkey", text(&key)]).fails(1, &told);
}

#[test]
fn what_cannot_go_elsewhere_says_why() {
    let world = trees();
    let bundle = world.beside("m.tar");
    let make = |model: &str| world.run(&["bundle", model, "--output", text(&bundle)]);
    make("nope").fails(4, &["bundle nope", "no model `nope`", "tidegate model list"]);
    make("m@7").fails(4, &["it has no version 7"]);
    make("m:best").fails(4, &["no version of it is called `best`"]);
    world.run(&["bundle", "m"]).fails(2, &["--output"]);
    world.run(&["bundle"]).fails(2, &["bundle"]);
    world.run(&["bundle", "m", "--output", text(&bundle), "--program", text(&world.path("tidegate.yaml"))]).fails(2, &["it is no program"]);
    world.run(&["bundle", "run", "--token-file", "tidegate.yaml", "nowhere"]).fails(4, &["open the bundle nowhere"]);
    assert!(!bundle.exists());
    // Another model without golden requests.
    world.write("tidegate.yaml", &CONFIG.replace("golden: golden.json, ", ""));
    world.run(&["gate"]);
    make("m@2").fails(5, &["bundle m version 2", "it has no golden requests"]);
    world.is_clean();
}
