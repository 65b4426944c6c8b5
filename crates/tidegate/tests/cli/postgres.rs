//! A real PostgreSQL that takes connections over TLS only, with a certificate that is made for it.

use crate::world::free_port;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A server in a folder of its own; it ends with the test.
pub struct Postgres {
    dir: TempDir,
    programs: PathBuf,
    port: u16,
}

/// Debian's programs of the newest version, or those on the path.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(found).filter(|bin| bin.join("initdb").is_file()).last()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

impl Postgres {
    /// None, said loudly, where there is no PostgreSQL, or nothing to make a certificate with.
    pub fn start() -> Option<Postgres> {
        let openssl = Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success());
        let Some(programs) = programs().filter(|_| openssl) else {
            eprintln!("skipped: no PostgreSQL and openssl: install postgresql and openssl");
            return None;
        };
        let server = Postgres { dir: tempfile::tempdir().unwrap(), programs, port: free_port() };
        let at = |name: &str| server.dir.path().join(name);
        std::fs::create_dir(at("data")).unwrap();
        let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
        let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        run(Command::new("openssl").args(kind).args(names).arg("-keyout").arg(at("key.pem")).arg("-out").arg(at("cert.pem")));
        if is_root() {
            // the server refuses to run as root
            run(Command::new("chown").args(["-R", "postgres"]).arg(server.dir.path()));
        }
        server.program("initdb", &["--auth=trust", "--username=tidegate", "--no-sync"]);
        let (cert, key, dir) = (at("cert.pem"), at("key.pem"), server.dir.path().display().to_string());
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(at("data").join("pg_hba.conf"), rules).unwrap();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={dir} -c ssl=on -c ssl_cert_file={} -c ssl_key_file={}",
            server.port,
            cert.display(),
            key.display()
        );
        server.program("pg_ctl", &["start", "--wait", "--silent", "--options", &options]);
        Some(server)
    }

    fn program(&self, program: &str, arguments: &[&str]) {
        let (program, data) = (self.programs.join(program), self.dir.path().join("data"));
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        run(command.arg("--pgdata").arg(data).args(arguments));
    }

    /// Its address, as users write it.
    pub fn url(&self) -> String {
        format!("postgres://tidegate@localhost:{}/postgres?sslmode=require", self.port)
    }

    /// What vouches for it.
    pub fn certificate(&self) -> PathBuf {
        Path::join(self.dir.path(), "cert.pem")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.program("pg_ctl", &["stop", "--mode=immediate", "--silent"]);
    }
}
