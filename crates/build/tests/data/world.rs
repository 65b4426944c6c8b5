//! Repositories in temporary folders, and trees from a seed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use tidegate_build::data::{AddOptions, CheckoutOptions, DataError, Repo, StatusOptions, Surroundings, SyncOptions};
use tidegate_build::remote::NoProgress;
use tidegate_core::id::At;

#[expect(clippy::disallowed_methods, reason = "the one clock of these tests: the index compares it with times of files")]
pub fn now() -> At {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    At(i64::try_from(since.as_millis()).unwrap())
}

/// A repository.
pub struct World {
    pub directory: tempfile::TempDir,
}

impl World {
    /// One without Git.
    pub fn new() -> World {
        let world = World { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(world.path(".dvc/tmp")).unwrap();
        world.write(".dvc/config", b"[core]\n    no_scm = True\n");
        world
    }

    /// One that Git keeps.
    pub fn with_git() -> World {
        let world = World { directory: tempfile::tempdir().unwrap() };
        world.git(&["init", "-q", "-b", "main"]);
        std::fs::create_dir_all(world.path(".dvc/tmp")).unwrap();
        world.write(".dvc/config", b"");
        world.write(".dvc/.gitignore", b"/config.local\n/tmp\n/cache\n");
        world
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").arg("-C").arg(self.root()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    pub fn repo(&self) -> Repo {
        open(self.root()).unwrap()
    }

    pub fn add(&self, targets: &[&str]) {
        self.repo().add(&strings(targets), &AddOptions::default(), &|_| {}).unwrap();
    }

    pub fn status(&self) -> serde_json::Value {
        self.repo().status(&[], &StatusOptions::default()).unwrap()
    }

    pub fn checkout(&self) -> Result<(), DataError> {
        self.repo().checkout(&[], &CheckoutOptions::default(), &|_| {}).map(drop)
    }

    pub fn push(&self) -> Result<u64, DataError> {
        self.repo().push(&[], &SyncOptions::default(), &NoProgress).map(|r| r.moved)
    }

    pub fn pull(&self) -> Result<u64, DataError> {
        self.repo().pull(&[], &SyncOptions::default(), &NoProgress).map(|r| r.moved)
    }

    /// A remote that is the default one.
    pub fn remote(&self, url: &str) {
        self.repo().remote_add("store", url, true, true, false).unwrap();
    }

    /// Every object of the cache whose content is not what its name says.
    pub fn wrong_objects(&self) -> Vec<String> {
        wrong_objects(&self.path(".dvc/cache/files/md5"))
    }
}

pub fn open(directory: &Path) -> Result<Repo, DataError> {
    let variables = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Repo::open(directory, Surroundings { config_files: Vec::new(), variables, home: None, clock: now })
}

pub fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

/// Objects below a `files/md5` that are wrong under their names, and listings that lack a file.
pub fn wrong_objects(folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let Ok(heads) = std::fs::read_dir(folder) else { return wrong };
    for head in heads.map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for object in std::fs::read_dir(&head).unwrap().map(|e| e.unwrap().path()) {
            let tail = object.file_name().unwrap().to_string_lossy().into_owned();
            if tail.starts_with(".tidegate-tmp-") {
                continue;
            }
            let name = format!("{}{tail}", head.file_name().unwrap().to_string_lossy());
            let hash = tidegate_build::hash_file(&object).unwrap();
            if hash.md5 != name.trim_end_matches(".dir") {
                wrong.push(name.clone());
            }
            if name.ends_with(".dir") {
                let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(&object).unwrap()).unwrap();
                for row in rows.as_array().unwrap() {
                    let md5 = row["md5"].as_str().unwrap();
                    if !folder.join(&md5[..2]).join(&md5[2..]).is_file() {
                        wrong.push(format!("{name} lists {md5}, which is not there"));
                    }
                }
            }
        }
    }
    wrong
}

/// Numbers from a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.roll(items.len())]
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.roll(256)).unwrap()).collect()
    }
}

const NAMES: [&str; 14] = ["a", "b.txt", "é", "日本", "with blank", "𝄞", "Z", "x'y", "d\"q", "-dash", "_", "end.", "..twice", "m\u{301}"];

/// A random tree at `folder`: nested, odd names, empty files, line ends of both kinds, executables, links.
pub fn tree(world: &World, dice: &mut Dice, folder: &str, depth: usize) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(world.path(folder)).unwrap();
    for _ in 0..=dice.roll(5) {
        let name = format!("{folder}/{}{}", dice.pick(&NAMES), dice.roll(3));
        if world.path(&name).symlink_metadata().is_ok() {
            continue;
        }
        match dice.roll(9) {
            0 | 1 if depth > 0 => tree(world, dice, &name, depth - 1),
            2 => world.write(&name, b""),
            3 => world.write(&name, b"one\r\ntwo\r\n"),
            4 => {
                world.write(&name, b"#!/bin/sh\n");
                std::fs::set_permissions(world.path(&name), std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            5 => {
                let outside = world.path("outside.bin");
                if !outside.exists() {
                    std::fs::write(&outside, b"outside").unwrap();
                }
                std::os::unix::fs::symlink(outside, world.path(&name)).unwrap();
            }
            6 => {
                std::fs::create_dir_all(world.path("outside-folder")).unwrap();
                std::fs::write(world.path("outside-folder/inner"), b"inner").unwrap();
                std::os::unix::fs::symlink(world.path("outside-folder"), world.path(&name)).unwrap();
            }
            _ => {
                let length = dice.roll(5000);
                let bytes = dice.bytes(length);
                world.write(&name, &bytes);
            }
        }
    }
}
