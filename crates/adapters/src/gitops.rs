//! A repository of Git that something else applies: versions and weights of two places in one file, each change a commit.
//!
//! The clone is bare and derived: nothing is checked out, so nothing is half written, and a clone that is gone is made again. A
//! commit is pushed onto the branch as it was read; where somebody else was faster it is made again on what is there now. What was
//! before a release is found in the history, by what its commits say.

mod flux;

use crate::kubernetes::Cluster;
use crate::traffic::{Pace, Release, Seen, Standing, Traffic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flux::Asked;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tidegate_core::places::{ALL_BP, Place, Unplaced, place, split};
use tidegate_core::rollout::Role;
use tidegate_port::{Failure, FailureKind};
use tidegate_wire::config::GitOps;
use tidegate_wire::gitops::{Unusable, Wanted, changed, value};

/// A push that somebody else was faster than is made again on what is there now, so many times.
pub const PUSHES_MAX: usize = 5;
/// The line of a commit that names the release.
const TRAILER: &str = "Tidegate-Release";
/// Most commits of one release that are looked through for its begin.
const HISTORY_MAX: usize = 10_000;
/// Most commits that are looked through for the one that made the values what they are.
const UNCHANGED_MAX: usize = 1_000;
/// Seconds without a byte after which a server is given up, and within which one is to be reached.
const STALL_S: &str = "30";
const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=10 -oServerAliveCountMax=3";

/// A file in a repository.
pub struct Committed {
    /// Name of the workspace: releases of others in the same repository are not ours.
    pub workspace: String,
    /// Folder of the clone.
    pub clone: PathBuf,
    /// What.
    pub to: GitOps,
    /// Gives the token of the repository.
    pub token: crate::kubernetes::Token,
    /// The cluster that Argo CD or Flux runs in, where it is asked.
    pub applier: Option<Cluster>,
}

/// The file as it is on the branch.
struct Read {
    tip: String,
    text: String,
    places: [Place; 2],
}

/// What is to be of the file, and why; none where it is so.
type Edit<'a> = dyn Fn(&Read) -> Result<Option<(String, String)>, Failure> + 'a;

impl Committed {
    fn failure(&self, kind: FailureKind, operation: &'static str, detail: impl Into<String>) -> Failure {
        Failure { kind, operation, object: format!("{} in {}", self.to.file, self.to.repository), detail: detail.into() }
    }

    fn unusable(&self, why: &Unusable) -> Failure {
        self.failure(FailureKind::Refused, "use", why.to_string())
    }

    fn unplaced(&self, why: &Unplaced) -> Failure {
        self.failure(FailureKind::Refused, "find a place", why.to_string())
    }

    /// Git in the clone, without what a user's hooks and prompts would do.
    fn git(&self, args: &[&str]) -> Result<Command, Failure> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.clone);
        for (key, setting) in [
            ("core.hooksPath", "/dev/null"),
            ("gc.auto", "0"),
            ("protocol.ext.allow", "never"),
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", STALL_S),
            ("http.followRedirects", "false"),
            // `GIT_SSH_COMMAND` of the environment comes before it.
            ("core.sshCommand", SSH),
        ] {
            command.arg("-c").arg(format!("{key}={setting}"));
        }
        command.args(args).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ASKPASS", "SSH_ASKPASS"] {
            command.env_remove(variable);
        }
        let token = (self.token)().map_err(|why| self.failure(FailureKind::Denied, "open", why))?;
        if let Some(token) = token.filter(|_| self.to.repository.starts_with("http")) {
            // In the environment, which other users cannot read as they can a command line.
            let login = STANDARD.encode(format!("x-access-token:{token}"));
            command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", format!("http.{}.extraHeader", self.to.repository));
            command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {login}"));
        }
        Ok(command)
    }

    /// What Git says, where it ended well.
    fn said(&self, args: &[&str]) -> Result<String, Failure> {
        let (good, out, err) = self.ran(&mut self.git(args)?)?;
        let operation = args.first().copied().unwrap_or_default();
        if good { Ok(out) } else { Err(self.failure(kind_of(&err), "run Git on", format!("`git {operation}`: {}", line(&err)))) }
    }

    fn ran(&self, command: &mut Command) -> Result<(bool, String, String), Failure> {
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .map_err(|e| self.failure(FailureKind::Transient, "run Git on", format!("{e}: install `git`")))?;
        let out = String::from_utf8(output.stdout).map_err(|_| self.failure(FailureKind::Refused, "read", "it is no UTF-8"))?;
        Ok((output.status.success(), out, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// The clone, made where there is none.
    fn opened(&self) -> Result<(), Failure> {
        if !self.clone.join("HEAD").is_file() {
            let made = std::fs::create_dir_all(&self.clone);
            made.map_err(|e| self.failure(FailureKind::Transient, "clone", format!("{}: {e}", self.clone.display())))?;
            self.said(&["init", "--bare", "--quiet"])?;
        }
        Ok(())
    }

    fn fetched(&self) -> Result<Read, Failure> {
        self.opened()?;
        let refs = format!("+refs/heads/{0}:refs/tidegate/{0}", self.to.branch);
        self.said(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &self.to.repository, &refs])?;
        let tip = self.said(&["rev-parse", "--verify", &format!("refs/tidegate/{}^{{commit}}", self.to.branch)])?.trim().to_owned();
        let text = self.at(&tip)?;
        let places = self.places(&text)?;
        Ok(Read { tip, text, places })
    }

    /// The file of a commit.
    fn at(&self, commit: &str) -> Result<String, Failure> {
        self.said(&["cat-file", "blob", &format!("{commit}:{}", self.to.file)])
    }

    fn places(&self, text: &str) -> Result<[Place; 2], Failure> {
        let place = |at: usize| {
            let slot = &self.to.slots[at];
            let text_of = |pointer: &str| value(text, pointer).map(|found| found.text).map_err(|why| self.unusable(&why));
            let weight = text_of(&slot.weight)?;
            let weight = weight.parse().map_err(|_| {
                let why = format!("`{}` is `{weight}`, and a weight is a whole number", slot.weight);
                self.failure(FailureKind::Refused, "use", why)
            })?;
            Ok::<_, Failure>(Place { name: slot.version.clone(), version: Some(text_of(&slot.version)?), weight })
        };
        Ok([place(0)?, place(1)?])
    }

    /// Brings the file to what `edit` makes of it, again on what is there where somebody else was faster; the commit that has it.
    fn brought(&self, release: &Release, edit: &Edit<'_>) -> Result<Read, Failure> {
        let mut last = String::new();
        for _ in 0..PUSHES_MAX {
            let read = self.fetched()?;
            let Some((text, what)) = edit(&read)? else { return Ok(read) };
            let commit = self.committed(release, &read, &text, &what)?;
            let to = format!("{commit}:refs/heads/{}", self.to.branch);
            let (good, _, err) = self.ran(&mut self.git(&["push", "--quiet", "--porcelain", "--", &self.to.repository, &to])?)?;
            if good {
                // Read back from the server: what counts is what others see.
                let now = self.fetched()?;
                if now.text == text {
                    return Ok(now);
                }
                last = "it was changed again at once".to_owned();
            } else if faster(&err) {
                last = line(&err);
            } else {
                return Err(self.failure(kind_of(&err), "push", line(&err)));
            }
        }
        let why = format!("somebody else was faster each of {PUSHES_MAX} times ({last}): see who commits there too");
        Err(self.failure(FailureKind::Transient, "push", why))
    }

    /// A commit of the branch with another text of the file, and nothing else.
    fn committed(&self, release: &Release, read: &Read, text: &str, what: &str) -> Result<String, Failure> {
        let index = self.clone.join("tidegate.index");
        let _ = std::fs::remove_file(&index);
        let file = self.clone.join("tidegate.file");
        std::fs::write(&file, text).map_err(|e| self.failure(FailureKind::Transient, "write", format!("{}: {e}", file.display())))?;
        let with_index = |args: &[&str]| {
            let mut command = self.git(args)?;
            let (good, out, err) = self.ran(command.env("GIT_INDEX_FILE", &index))?;
            if good { Ok(out.trim().to_owned()) } else { Err(self.failure(FailureKind::Transient, "commit", line(&err))) }
        };
        let blob = self.said(&["hash-object", "-w", "--no-filters", "--", &path_text(&file)])?.trim().to_owned();
        let mode = self.said(&["ls-tree", &read.tip, "--", &self.to.file])?;
        let mode = mode.split(' ').next().unwrap_or("100644").to_owned();
        with_index(&["read-tree", &read.tip])?;
        with_index(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{}", self.to.file)])?;
        let tree = with_index(&["write-tree"])?;
        let date = format!("{} +0000", release.at.0.div_euclid(1_000));
        let mut command = self.git(&["commit-tree", &tree, "-p", &read.tip, "-m", &self.message(release, what)])?;
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Tidegate").env(format!("GIT_{who}_EMAIL"), "tidegate@localhost");
            command.env(format!("GIT_{who}_DATE"), &date);
        }
        let (good, out, err) = self.ran(&mut command)?;
        let _ = std::fs::remove_file(&index);
        let _ = std::fs::remove_file(&file);
        if good { Ok(out.trim().to_owned()) } else { Err(self.failure(FailureKind::Transient, "commit", line(&err))) }
    }

    /// The value of the line that names a release.
    fn mark(&self, release: &Release) -> String {
        format!("{}/{}/{}", line(&self.workspace), release.service, release.number)
    }

    fn message(&self, release: &Release, what: &str) -> String {
        let from = release.stable.as_ref().map(|stable| format!(" in place of {stable}")).unwrap_or_default();
        format!(
            "{}: {what}\n\nRelease {} of {}: version {}{from}.\nStands: {}\n\n{TRAILER}: {}\n",
            release.service,
            release.number,
            release.service,
            release.candidate,
            line(&release.words),
            self.mark(release)
        )
    }

    /// The file as it was before a release's first commit; none where it made none.
    fn before(&self, release: &Release, tip: &str) -> Result<Option<String>, Failure> {
        let (mark, most) = (self.mark(release), format!("--max-count={HISTORY_MAX}"));
        let format = format!("--format=%H %(trailers:key={TRAILER},valueonly,separator=%x2C)");
        let found =
            self.said(&["log", &format, "--fixed-strings", &format!("--grep={TRAILER}: {mark}"), &most, tip, "--", &self.to.file])?;
        // The text is found in those of a longer number too.
        let mut ours = found.lines().filter_map(|commit| commit.split_once(' ')).filter(|(_, marks)| *marks == mark);
        match ours.next_back() {
            Some((first, _)) => self.at(&format!("{first}^")).map(Some),
            None => Ok(None),
        }
    }

    /// The commit since which the values are what they are, and when it was made, in seconds: what others commit to the file beside
    /// them begins nothing anew. It is enough to find one that is as old as `long_ago_s`.
    fn since(&self, read: &Read, long_ago_s: i64) -> Result<(String, i64), Failure> {
        let most = format!("--max-count={UNCHANGED_MAX}");
        let found = self.said(&["log", "--first-parent", &most, "--format=%H %ct", &read.tip, "--", &self.to.file])?;
        let mut since = None;
        for (commit, at_s) in found.lines().filter_map(|line| line.trim().split_once(' ')) {
            let same = since.is_none() || self.at(commit).and_then(|text| self.places(&text)).is_ok_and(|places| places == read.places);
            if !same {
                break;
            }
            let at_s = at_s.parse::<i64>().unwrap_or(i64::MAX);
            since = Some((commit.to_owned(), at_s));
            if at_s <= long_ago_s {
                break;
            }
        }
        since.ok_or_else(|| self.failure(FailureKind::Transient, "read", "no commit of the branch has it"))
    }

    /// Whether what was pushed last is applied.
    fn followed(&self, release: &Release, read: &Read) -> Result<Standing, Failure> {
        let settle_ms = i64::try_from(self.to.settle_ms).unwrap_or(i64::MAX);
        let (commit, at_s) = self.since(read, release.at.0.saturating_sub(settle_ms).div_euclid(1_000))?;
        let short: String = commit.chars().take(10).collect();
        if let (Some(cluster), Some(to)) = (&self.applier, &self.to.flux) {
            let standing = Asked { cluster, to }.followed(release.back, &|known| self.has(known, &commit))?;
            return Ok(match standing {
                Standing::Coming(why) => Standing::Coming(format!("Flux has not applied commit {short}: {why}")),
                Standing::Failed(why) => Standing::Failed(format!("Flux does not apply commit {short}: {why}")),
                other => other,
            });
        }
        if let (Some(cluster), Some(argo)) = (&self.applier, &self.to.argo_cd) {
            let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{}/applications/{}", argo.server.namespace, argo.application);
            let application = cluster.get(&path)?;
            return Ok(match self.synced(&application, &commit, release.back)? {
                Some(why) => Standing::Coming(format!("Argo CD has not applied commit {short}: {why}")),
                None => Standing::There,
            });
        }
        let passed_ms = release.at.0.saturating_sub(at_s.saturating_mul(1_000));
        if passed_ms >= settle_ms {
            return Ok(Standing::There);
        }
        Ok(Standing::Coming(format!("commit {short} is taken for applied {} s after it was made", settle_ms / 1_000)))
    }

    /// Whether a commit is another one, or comes after it.
    fn has(&self, known: &str, commit: &str) -> Result<bool, Failure> {
        Ok(self.ran(&mut self.git(&["merge-base", "--is-ancestor", commit, known])?)?.0)
    }

    /// Why an application of Argo CD does not have a commit yet. On the way back its health is not asked for: it may be the version that
    /// is taken away that is ill.
    fn synced(&self, application: &Value, commit: &str, back: bool) -> Result<Option<String>, Failure> {
        let text = |of: &str, key: &str| application["status"][of][key].as_str().unwrap_or("unknown").to_owned();
        let (sync, revision, health) = (text("sync", "status"), text("sync", "revision"), text("health", "status"));
        let known = revision.len() >= 40 && revision.chars().all(|c| c.is_ascii_hexdigit());
        if !known || !self.has(&revision, commit)? {
            return Ok(Some(format!("it is at {revision}")));
        }
        Ok((sync != "Synced" || (health != "Healthy" && !back)).then(|| format!("it is {sync} and {health}")))
    }

    fn weights(&self, parts: [u32; 2]) -> [u64; 2] {
        parts.map(|part| u64::from(part) * u64::from(self.to.total) / u64::from(ALL_BP))
    }

    fn set_weights(&self, weights: [u64; 2]) -> [(&str, Wanted); 2] {
        [0, 1].map(|at: usize| (self.to.slots[at].weight.as_str(), Wanted::Number(weights[at])))
    }
}

/// What a failed command is.
fn kind_of(err: &str) -> FailureKind {
    let has = |words: &[&str]| words.iter().any(|word| err.contains(word));
    // Numbers of HTTP with their words: the name of a commit may hold any three digits.
    if has(&[
        "Authentication failed",
        "Permission denied",
        "could not read Username",
        "error: 403",
        "error: 401",
        "HTTP 403",
        "HTTP 401",
        "protected branch",
        "denied",
    ]) {
        FailureKind::Denied
    } else if has(&[
        "does not appear to be a git repository",
        "not found",
        "couldn't find remote ref",
        "does not exist",
        "Not a valid object",
    ]) {
        FailureKind::Gone
    } else {
        FailureKind::Transient
    }
}

/// Whether a push was refused because the branch has moved.
fn faster(err: &str) -> bool {
    ["fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref", "incorrect old value"]
        .iter()
        .any(|word| err.contains(word))
}

/// What Git said, on one line.
fn line(text: &str) -> String {
    let words = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:")).collect::<Vec<_>>().join("; ");
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

impl Traffic for Committed {
    fn pace(&self) -> Pace {
        Pace { ask_ms: 3_000, look_ms: 30_000 }
    }

    fn load(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        let Some(version) = release.version(role) else { return Ok(Standing::There) };
        let serves = role != Role::Candidate && !release.moved;
        let read = self.fetched()?;
        match place(&read.places, version, release.other(role), serves) {
            Err(why) => return Ok(Standing::Failed(why.to_string())),
            Ok(at) if serves && read.places[at].weight == 0 => {
                let why = format!("{} has version {version}, which is to serve, and weight 0: give it all of it", read.places[at].name);
                return Ok(Standing::Failed(why));
            }
            Ok(_) => {}
        }
        let read = self.brought(release, &|read| {
            let at = place(&read.places, version, release.other(role), serves).map_err(|why| self.unplaced(&why))?;
            let wanted = [(self.to.slots[at].version.as_str(), Wanted::Text(version.to_owned()))];
            let text = changed(&read.text, &wanted).map_err(|why| self.unusable(&why))?;
            let what = format!("load version {version} of {}", release.model);
            Ok((text != read.text).then_some((text, what)))
        })?;
        self.followed(release, &read)
    }

    fn unload(&self, release: &Release, role: Role) -> Result<Standing, Failure> {
        // What served before stays in its place: the next version takes it.
        if role != Role::Candidate {
            return Ok(Standing::There);
        }
        self.brought(release, &|read| {
            let Some(before) = self.before(release, &read.tip)? else { return Ok(None) };
            let mut wanted = vec![];
            for pointer in self.to.slots.iter().flat_map(|slot| [slot.version.as_str(), slot.weight.as_str()]) {
                let was = value(&before, pointer).map_err(|why| self.unusable(&why))?;
                wanted.push((pointer, Wanted::Written(was.written)));
            }
            let text = changed(&read.text, &wanted).map_err(|why| self.unusable(&why))?;
            // What it was before is what stable is served by: never is anything else put back.
            let back = self.places(&text)?;
            let serves = |at: usize| back[at].version.as_deref() == release.stable.as_deref();
            let good = [0, 1].into_iter().all(|at| back[at].weight == 0 || serves(at));
            let what = format!("back to what was before release {}", release.number);
            Ok((good && text != read.text).then_some((text, what)))
        })?;
        Ok(Standing::There)
    }

    fn split(&self, release: &Release, candidate_bp: u32) -> Result<Standing, Failure> {
        let read = self.brought(release, &|read| {
            let parts =
                split(&read.places, release.stable.as_deref(), &release.candidate, candidate_bp).map_err(|why| self.unplaced(&why))?;
            let weights = self.weights(parts);
            let text = changed(&read.text, &self.set_weights(weights)).map_err(|why| self.unusable(&why))?;
            let percent = f64::from(candidate_bp) / 100.0;
            let what = format!("version {} of {} gets {percent} %", release.candidate, release.model);
            Ok((text != read.text).then_some((text, what)))
        })?;
        self.followed(release, &read)
    }

    fn look(&self, release: &Release, candidate_bp: u32) -> Result<Seen, Failure> {
        let read = self.fetched()?;
        let mut seen = Seen::default();
        let found = read.places.each_ref().map(|place| place.weight);
        match split(&read.places, release.stable.as_deref(), &release.candidate, candidate_bp) {
            Ok(parts) if self.weights(parts) == found => {}
            Ok(_) => seen.moved = Some(format!("somebody else committed other weights to {}: {} and {}", self.to.file, found[0], found[1])),
            Err(why) => {
                let is_there = |version: &str| read.places.iter().any(|place| place.version.as_deref() == Some(version));
                for role in [Role::Stable, Role::Candidate] {
                    if release.version(role).is_some_and(|version| !is_there(version)) {
                        seen.lost.push((role, why.to_string()));
                    }
                }
                if seen.lost.is_empty() {
                    seen.moved = Some(why.to_string());
                }
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_the_name_of_a_commit_are_no_status() {
        for (said, kind) in [
            ("fatal: path 'shop/none.yaml' does not exist in '91403ab401'", FailureKind::Gone),
            ("fatal: unable to access 'https://git.example/shop/': The requested URL returned error: 403", FailureKind::Denied),
            ("error: RPC failed; HTTP 401 curl 22 The requested URL returned error: 401", FailureKind::Denied),
            ("fatal: repository 'none.git' does not appear to be a git repository", FailureKind::Gone),
            ("fatal: unable to connect to git.example: connection timed out", FailureKind::Transient),
        ] {
            assert_eq!(kind_of(said), kind, "{said}");
        }
    }
}
