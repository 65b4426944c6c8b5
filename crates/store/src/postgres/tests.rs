//! The journal and the beats on a real PostgreSQL, started for the tests: the contract suites, writers at once, a lost connection.

use super::{PostgresBeats, PostgresJournal};
use postgres::{Config, NoTls};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tidegate_core::id::At;
use tidegate_port::{Journal as _, NewEvent, contract};

/// Debian's programs of the newest version.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|e| Some(e.ok()?.path().join("bin"))).collect();
    found.sort();
    found.into_iter().rfind(|bin| bin.join("initdb").is_file())
}

/// A server on a socket in a folder of its own; it ends with the test.
struct Server {
    dir: tempfile::TempDir,
    programs: PathBuf,
    databases: AtomicU32,
}

impl Server {
    /// None, said loudly, where PostgreSQL is missing.
    fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            eprintln!("SKIPPED: there is no PostgreSQL under /usr/lib/postgresql (apt-get install postgresql)");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let server = Server { dir, programs, databases: AtomicU32::new(0) };
        std::fs::create_dir(server.dir.path().join("data")).unwrap();
        if rustix::process::geteuid().is_root() {
            // the server refuses to run as root
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(server.dir.path()).status().unwrap().success());
        }
        server.run("initdb", &["--auth=trust", "--username=tidegate", "--no-sync"]);
        let socket = format!("-c listen_addresses='' -c unix_socket_directories={}", server.dir.path().display());
        server.run("pg_ctl", &["start", "--wait", "--silent", "--options", &socket]);
        Some(server)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let (program, data) = (self.programs.join(program), self.dir.path().join("data"));
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command.arg("--pgdata").arg(data).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.dir.path()).user("tidegate").dbname(database);
        config
    }

    /// The way to a new database.
    fn fresh(&self) -> Config {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.config("postgres").connect(NoTls).unwrap().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.config(&name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "--mode=immediate", "--silent"]);
    }
}

#[test]
fn the_contracts_are_kept() {
    let Some(server) = Server::start() else { return };
    contract::journal(|| PostgresJournal::open(server.fresh()).unwrap());
    let config = server.fresh();
    contract::journal_survives(|| PostgresJournal::open(config.clone()).unwrap(), |_| PostgresJournal::open(config.clone()).unwrap());
    let config = server.fresh();
    PostgresJournal::open(config.clone()).unwrap();
    contract::beats(&mut PostgresBeats::new(config));
}

#[test]
fn writers_at_once_leave_no_gap_and_a_lost_connection_is_made_anew() {
    let Some(server) = Server::start() else { return };
    let config = server.fresh();
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let config = config.clone();
            scope.spawn(move || {
                let mut journal = PostgresJournal::open(config).unwrap();
                for n in 0..25 {
                    let event = NewEvent { kind: "test", body: json!({ "n": n }) };
                    journal.append(&format!("s/{writer}"), n, None, At(0), &[event]).unwrap();
                }
            });
        }
    });
    let mut journal = PostgresJournal::open(config.clone()).unwrap();
    let positions: Vec<u64> = journal.read_all(0, 1_000).unwrap().iter().map(|r| r.position).collect();
    assert_eq!(positions, (0..100).collect::<Vec<_>>());
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()";
    config.connect(NoTls).unwrap().batch_execute(others).unwrap();
    let lost = journal.read_all(0, 1).is_err();
    assert_eq!(journal.read_all(0, 1_000).unwrap().len(), 100, "the connection is made anew (it was seen to be lost: {lost})");
}
