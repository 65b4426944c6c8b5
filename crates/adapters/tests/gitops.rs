//! The driver of a repository against real Git: a bare repository that others commit to as well, and Argo CD's `Application` in
//! the stand-in of a cluster.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cluster;

use cluster::{Cluster, TOKEN};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tidegate_adapters::curl::CurlTrusting;
use tidegate_adapters::gitops::Committed;
use tidegate_adapters::kubernetes;
use tidegate_adapters::traffic::{Release, Standing, Traffic};
use tidegate_core::id::At;
use tidegate_core::rollout::Role;
use tidegate_port::FailureKind;
use tidegate_wire::config::{ApiServer, ArgoCd, Flux, GitOps, Slot};

const VALUES: &str =
    "# what the shop serves\nblue:   # left\n  version: \"1\"\n  weight:  100   # percent\ngreen: { version: v0, weight: 0 }\nother: é\n";
const NOW: At = At(1_700_000_000_000);

/// A bare repository, and a clone of somebody else.
struct Origin(TempDir);

impl Origin {
    fn new() -> Origin {
        let origin = Origin(tempfile::tempdir().unwrap());
        origin.run(origin.0.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        origin.run(origin.0.path(), &["clone", "--quiet", "origin.git", "theirs"]);
        std::fs::create_dir(origin.theirs().join("shop")).unwrap();
        std::fs::write(origin.theirs().join("shop/run.sh"), "exit 0\n").unwrap();
        origin.commit("shop/values.yaml", VALUES, "begin");
        origin
    }

    fn theirs(&self) -> PathBuf {
        self.0.path().join("theirs")
    }

    fn run(&self, at: &Path, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(at).args(["-c", "user.name=Them", "-c", "user.email=them@example.org"]).args(args);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Somebody else commits and pushes a file.
    fn commit(&self, file: &str, text: &str, message: &str) {
        let theirs = self.theirs();
        if self.run(&theirs, &["ls-remote", "origin", "main"]).contains("main") {
            self.run(&theirs, &["pull", "--quiet", "--ff-only", "origin", "main"]);
        }
        std::fs::write(theirs.join(file), text).unwrap();
        self.run(&theirs, &["add", "."]);
        self.run(&theirs, &["commit", "--quiet", "-m", message]);
        self.run(&theirs, &["push", "--quiet", "origin", "HEAD:main"]);
    }

    fn git(&self, args: &[&str]) -> String {
        self.run(&self.0.path().join("origin.git"), args)
    }

    fn file(&self) -> String {
        self.git(&["show", "main:shop/values.yaml"])
    }

    fn commits(&self) -> Vec<String> {
        self.git(&["log", "--format=%s", "main"]).lines().map(str::to_owned).collect()
    }

    fn driver(&self) -> Committed {
        let slot = |name: &str| Slot { version: format!("/{name}/version"), weight: format!("/{name}/weight") };
        Committed {
            workspace: "w".to_owned(),
            clone: self.0.path().join("clone.git"),
            to: GitOps {
                repository: self.0.path().join("origin.git").display().to_string(),
                token: None,
                branch: "main".to_owned(),
                file: "shop/values.yaml".to_owned(),
                slots: [slot("blue"), slot("green")],
                total: 100,
                settle_ms: 60_000,
                argo_cd: None,
                flux: None,
                ready_within_ms: 1,
            },
            token: Box::new(|| Ok(None)),
            applier: None,
        }
    }
}

fn release(number: u64, stable: &str, candidate: &str, moved: bool, at: At) -> Release {
    Release {
        service: "s".to_owned(),
        number,
        model: "ranker".to_owned(),
        stable: Some(stable.to_owned()),
        candidate: candidate.to_owned(),
        moved,
        stands: false,
        back: false,
        words: "canary, step 1; verdict continue: nothing speaks against it".to_owned(),
        since: at,
        at,
    }
}

fn asked(cluster: &Cluster) -> Option<kubernetes::Cluster> {
    let http = Box::new(CurlTrusting::default());
    Some(kubernetes::Cluster { http, server: cluster.serve(), token: Box::new(|| Ok(Some(TOKEN.to_owned()))) })
}

#[track_caller]
fn coming(standing: Result<Standing, tidegate_port::Failure>, why: &str) {
    match standing.unwrap() {
        Standing::Coming(said) => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_change_is_a_commit_of_its_values_alone_and_is_taken_back_to_the_byte() {
    let origin = Origin::new();
    let driver = origin.driver();
    let first = release(2, "1", "2", false, NOW);
    assert_eq!(driver.load(&release(2, "1", "2", false, At(i64::MAX / 2)), Role::Stable).unwrap(), Standing::There);
    for _ in 0..2 {
        coming(driver.load(&first, Role::Candidate), "is taken for applied 60 s after it was made");
    }
    assert_eq!(origin.file(), VALUES.replace("version: v0", "version: \"2\""));
    let later = NOW.plus_ms(61_000);
    assert_eq!(driver.load(&release(2, "1", "2", false, later), Role::Candidate).unwrap(), Standing::There);
    let moved = |ms| release(2, "1", "2", true, later.plus_ms(ms));
    coming(driver.split(&moved(0), 500), "applied");
    assert_eq!(driver.split(&moved(60_000), 500).unwrap(), Standing::There);
    let split =
        VALUES.replace("version: v0", "version: \"2\"").replace("100   # percent", "95   # percent").replace("weight: 0", "weight: 5");
    assert_eq!(origin.file(), split);
    assert_eq!(driver.look(&moved(0), 500).unwrap().moved, None);
    let message = origin.git(&["log", "-1", "--format=%an%n%B", "main"]);
    for part in [
        "Tidegate\ns: version 2 of ranker gets 5 %",
        "Release 2 of s: version 2 in place of 1.",
        "Stands: canary, step 1; verdict continue: nothing speaks against it",
        "Tidegate-Release: w/s/2",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // Back: the weights at once, then everything as it was, quotes and all.
    coming(driver.split(&moved(60_000), 0), "applied");
    assert_eq!(driver.unload(&moved(120_000), Role::Control).unwrap(), Standing::There);
    for _ in 0..2 {
        assert_eq!(driver.unload(&moved(120_000), Role::Candidate).unwrap(), Standing::There);
    }
    assert_eq!(origin.file(), VALUES);
    let told = [
        "s: back to what was before release 2",
        "s: version 2 of ranker gets 0 %",
        "s: version 2 of ranker gets 5 %",
        "s: load version 2 of ranker",
        "begin",
    ];
    assert_eq!(origin.commits(), told);
    assert_eq!(origin.git(&["diff", "--name-only", "main~4", "main"]), "");
    assert_eq!(origin.git(&["ls-tree", "-r", "--name-only", "main"]), "shop/run.sh\nshop/values.yaml\n");
}

#[test]
fn versions_take_turns_and_what_others_commit_stays() {
    let origin = Origin::new();
    let driver = origin.driver();
    let end = NOW.plus_ms(864_000_000);
    let _ = driver.load(&release(2, "1", "2", false, NOW), Role::Candidate).unwrap();
    origin.commit("shop/values.yaml", &origin.file().replace("other: é", "other: ö # mine"), "theirs");
    let _ = driver.split(&release(2, "1", "2", true, NOW), 10_000).unwrap();
    assert_eq!(driver.unload(&release(2, "1", "2", true, end), Role::Stable).unwrap(), Standing::There);
    assert_eq!(driver.load(&release(3, "2", "3", false, end), Role::Stable).unwrap(), Standing::There);
    let _ = driver.load(&release(3, "2", "3", false, NOW), Role::Candidate).unwrap();
    let wanted =
        VALUES.replace("\"1\"", "\"3\"").replace("100   #", "0   #").replace("version: v0, weight: 0", "version: \"2\", weight: 100");
    assert_eq!(origin.file(), wanted.replace("other: é", "other: ö # mine"));
    // An undo of the one before: what was before it comes back, and what others did stays.
    let undone = release(3, "2", "3", true, end);
    let _ = driver.split(&undone, 0).unwrap();
    let _ = driver.unload(&undone, Role::Candidate).unwrap();
    assert_eq!(origin.file(), wanted.replace("\"3\"", "\"1\"").replace("other: é", "other: ö # mine"));
}

#[test]
fn a_push_that_comes_too_late_is_made_again_on_what_is_there() {
    let origin = Origin::new();
    let driver = origin.driver();
    let _ = driver.load(&release(2, "1", "2", false, NOW), Role::Candidate).unwrap();
    // A hook of the server commits once more right before it takes our push: as somebody who is always faster, three times.
    let hook = origin.0.path().join("origin.git/hooks/pre-receive");
    let script = "#!/bin/sh\nn=$(cat ../times 2>/dev/null || echo 0)\n[ \"$n\" -ge 3 ] && exit 0\necho $((n + 1)) > ../times\n\
        unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\nnew=$(git -c user.name=T -c user.email=t@e commit-tree main^{tree} -p main -m faster)\n\
        git update-ref refs/heads/main $new\n";
    std::fs::write(&hook, script).unwrap();
    let mut mode = std::fs::metadata(&hook).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&hook, mode).unwrap();
    coming(driver.split(&release(2, "1", "2", true, NOW), 500), "applied");
    assert_eq!(origin.commits(), ["s: version 2 of ranker gets 5 %", "faster", "faster", "faster", "s: load version 2 of ranker", "begin"]);
    std::fs::write(&hook, "#!/bin/sh\necho not on a Friday >&2\nexit 1\n").unwrap();
    let failed = driver.split(&release(2, "1", "2", true, NOW), 900).unwrap_err().to_string();
    assert!(failed.contains("push: shop/values.yaml in") && failed.contains("not on a Friday"), "{failed}");
}

#[test]
fn what_cannot_be_used_says_why() {
    let origin = Origin::new();
    let mut driver = origin.driver();
    let failed = |driver: &Committed| {
        let failure = driver.load(&release(2, "1", "2", false, NOW), Role::Candidate).unwrap_err();
        (failure.kind, failure.to_string())
    };
    driver.to.slots[1].weight = "/green/share".to_owned();
    assert!(failed(&driver).1.contains("it has no `/green/share`"));
    driver.to.slots[1].weight = "/green/version".to_owned();
    assert!(failed(&driver).1.contains("`/green/version` is `v0`, and a weight is a whole number"));
    driver = origin.driver();
    driver.to.file = "shop/none.yaml".to_owned();
    assert_eq!(failed(&driver).0, FailureKind::Gone);
    driver = origin.driver();
    driver.to.branch = "none".to_owned();
    assert_eq!(failed(&driver).0, FailureKind::Gone);
    driver = origin.driver();
    driver.to.repository = origin.0.path().join("none.git").display().to_string();
    assert_eq!(failed(&driver).0, FailureKind::Gone);
    // A version that serves is to be there; a clone that is gone is made again.
    driver = origin.driver();
    std::fs::remove_dir_all(&driver.clone).unwrap();
    let Standing::Failed(why) = driver.load(&release(2, "7", "2", false, NOW), Role::Stable).unwrap() else { panic!("it is there") };
    assert!(why.contains("neither /blue/version nor /green/version has version 7"), "{why}");
    assert_eq!(origin.commits(), ["begin"]);
}

#[test]
fn argo_cd_says_when_a_commit_is_applied() {
    let origin = Origin::new();
    let cluster = Cluster::default();
    let path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop";
    let application = |revision: &str, sync: &str, health: &str| {
        json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": "shop", "namespace": "argocd" },
            "spec": {}, "status": { "sync": { "status": sync, "revision": revision }, "health": { "status": health } } })
    };
    let begin = origin.git(&["rev-parse", "main"]).trim().to_owned();
    cluster.put(path, application(&begin, "Synced", "Healthy"));
    let mut driver = origin.driver();
    let server = ApiServer { url: None, token: None, ca: None, namespace: "argocd".to_owned() };
    driver.to.argo_cd = Some(ArgoCd { server, application: "shop".to_owned() });
    driver.applier = asked(&cluster);
    let load = || driver.load(&release(2, "1", "2", false, NOW), Role::Candidate);
    coming(load(), &format!("it is at {begin}"));
    // A commit of others after ours has ours in it.
    origin.commit("shop/run.sh", "exit 1\n", "theirs");
    let newest = origin.git(&["rev-parse", "main"]).trim().to_owned();
    cluster.put(path, application(&newest, "OutOfSync", "Healthy"));
    coming(load(), "it is OutOfSync and Healthy");
    cluster.put(path, application(&newest, "Synced", "Progressing"));
    coming(load(), "it is Synced and Progressing");
    // What is ill may be what is taken away: going back waits for the commit alone.
    cluster.put(path, application(&newest, "Synced", "Degraded"));
    coming(load(), "it is Synced and Degraded");
    let back = Release { back: true, ..release(2, "1", "2", true, NOW) };
    assert_eq!(driver.split(&back, 0).unwrap(), Standing::There);
    cluster.put(path, application(&newest, "OutOfSync", "Degraded"));
    coming(driver.split(&back, 0), "it is OutOfSync and Degraded");
    cluster.put(path, application(&newest, "Synced", "Healthy"));
    assert_eq!(load().unwrap(), Standing::There);
}

#[test]
fn what_others_commit_to_the_file_begins_no_wait_anew() {
    let origin = Origin::new();
    let driver = origin.driver();
    let load = |ms| driver.load(&release(2, "1", "2", false, NOW.plus_ms(ms)), Role::Candidate);
    coming(load(0), "is taken for applied 60 s after it was made");
    // A busy repository: they commit to the file all the time, and leave our values alone.
    for n in 0..3 {
        origin.commit("shop/values.yaml", &origin.file().replace("other: é", &format!("other: é{n}")), "theirs");
    }
    coming(load(59_000), "is taken for applied 60 s after it was made");
    assert_eq!(load(61_000).unwrap(), Standing::There);
    // One that changes our values is waited for from then on: put right by ours, which is new.
    origin.commit("shop/values.yaml", &origin.file().replace("version: \"2\"", "version: \"7\""), "theirs");
    coming(load(61_000), "is taken for applied 60 s after it was made");
    coming(load(120_000), "is taken for applied 60 s after it was made");
    assert_eq!(load(122_000).unwrap(), Standing::There);
}

/// An object of Flux as it is after it was reconciled.
fn reconciled(kind: &str, status: Value) -> Value {
    json!({ "kind": kind, "metadata": { "name": "shop", "namespace": "flux-system", "generation": 2 }, "spec": { "interval": "1m" }, "status": status })
}

fn status(revision: &str, ready: &str, reason: &str) -> Value {
    json!({ "observedGeneration": 2, "lastAppliedRevision": revision, "lastAttemptedRevision": revision,
        "conditions": [{ "type": "Ready", "status": ready, "reason": reason, "message": "why", "observedGeneration": 2 }] })
}

#[test]
fn flux_says_when_a_commit_is_applied() {
    let origin = Origin::new();
    let cluster = Cluster::default();
    let kustomization = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/shop";
    let helm = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/shop/helmreleases/ranker";
    // As the controllers left it, and not followed by anything here.
    let put = |path: &str, kind: &str, status: Value| drop(cluster.state().objects.insert(path.to_owned(), reconciled(kind, status)));
    let revision = |commit: &str| format!("main@sha1:{commit}");
    let newest = || origin.git(&["rev-parse", "main"]).trim().to_owned();
    put(kustomization, "Kustomization", status(&revision(&newest()), "True", "ReconciliationSucceeded"));
    let mut driver = origin.driver();
    let server = ApiServer { url: None, token: None, ca: None, namespace: "flux-system".to_owned() };
    driver.to.flux = Some(Flux { server, kustomization: Some("shop".to_owned()), helm_release: None, helm_namespace: None });
    driver.applier = asked(&cluster);
    let load = |driver: &Committed| driver.load(&release(2, "1", "2", false, NOW), Role::Candidate);
    let back = Release { back: true, ..release(2, "1", "2", true, NOW) };
    let begin = newest();
    coming(load(&driver), &format!("Kustomization shop: it is at {}", revision(&begin)));
    // One of others after ours has ours in it.
    origin.commit("shop/run.sh", "exit 1\n", "theirs");
    put(kustomization, "Kustomization", status(&revision(&newest()), "Unknown", "Progressing"));
    coming(load(&driver), "Kustomization shop: it is not ready: Progressing: why");
    put(kustomization, "Kustomization", status(&revision(&newest()), "True", "ReconciliationSucceeded"));
    assert_eq!(load(&driver).unwrap(), Standing::There);
    // Then the HelmRelease that it applied has to be ready.
    let flux = driver.to.flux.as_mut().unwrap();
    (flux.helm_release, flux.helm_namespace) = (Some("ranker".to_owned()), Some("shop".to_owned()));
    put(helm, "HelmRelease", status("6.6.1", "False", "UpgradeFailed"));
    coming(load(&driver), "HelmRelease ranker: it is not ready: UpgradeFailed: why");
    put(helm, "HelmRelease", status("6.6.1", "True", "UpgradeSucceeded"));
    assert_eq!(load(&driver).unwrap(), Standing::There);
    // Suspended it never applies.
    cluster.state().objects.get_mut(kustomization).unwrap()["spec"]["suspend"] = json!(true);
    let Standing::Failed(why) = load(&driver).unwrap() else { panic!("it is waited for") };
    assert!(why.contains("Kustomization shop: it is suspended"), "{why}");
    // The way back: what is applied and ill counts.
    driver.to.flux.as_mut().unwrap().helm_release = None;
    put(kustomization, "Kustomization", status(&revision(&begin), "False", "HealthCheckFailed"));
    coming(driver.split(&back, 0), &format!("it is at {}", revision(&begin)));
    cluster.state().objects.get_mut(kustomization).unwrap()["status"]["lastAttemptedRevision"] = json!(revision(&newest()));
    assert_eq!(driver.split(&back, 0).unwrap(), Standing::There);
    coming(load(&driver), &format!("it is at {}", revision(&begin)));
}

#[test]
fn a_chart_from_git_names_its_commit() {
    let origin = Origin::new();
    let cluster = Cluster::default();
    let helm = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases/ranker";
    let deployed = |version: &str| {
        let mut release = reconciled("HelmRelease", status("x", "True", "UpgradeSucceeded"));
        release["status"]["history"] = json!([{ "chartVersion": version, "status": "deployed" }]);
        cluster.state().objects.insert(helm.to_owned(), release);
    };
    let mut driver = origin.driver();
    let server = ApiServer { url: None, token: None, ca: None, namespace: "flux-system".to_owned() };
    driver.to.flux = Some(Flux { server, kustomization: None, helm_release: Some("ranker".to_owned()), helm_namespace: None });
    driver.applier = asked(&cluster);
    let load = || driver.load(&release(2, "1", "2", false, NOW), Role::Candidate);
    deployed("1.0.0");
    coming(load(), "it is at 1.0.0, which names no commit: name the `kustomization`");
    deployed("1.0.0+0cc9a8446c95");
    coming(load(), "HelmRelease ranker: it is at 1.0.0+0cc9a8446c95");
    deployed(&format!("1.0.0+{}", &origin.git(&["rev-parse", "main"])[..12]));
    assert_eq!(load().unwrap(), Standing::There);
}
