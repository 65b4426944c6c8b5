//! A real Prometheus, and a target that it scrapes.

use crate::stand_in::StandIn;
use crate::world::{Server, World, free_port};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server at a port.
pub struct Prometheus {
    _server: Server,
    port: u16,
}

impl Prometheus {
    /// One that scrapes [`exporter`] each second.
    pub fn start(world: &World, program: &Path) -> Prometheus {
        let config = format!(
            "scrape_configs:\n- job_name: t\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs: [{{ targets: ['127.0.0.1:{}'] }}]\n",
            exporter()
        );
        std::fs::write(world.beside("prometheus.yml"), config).unwrap();
        let port = free_port();
        Prometheus::again(world, program, port)
    }

    /// One at this port, with what was scraped before.
    pub fn again(world: &World, program: &Path, port: u16) -> Prometheus {
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", world.beside("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", world.beside("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Prometheus { _server: Server::start(&mut command), port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The server, from `TIDEGATE_TEST_PROMETHEUS` or the path; says so where there is none.
pub fn prometheus() -> Option<PathBuf> {
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join("prometheus")).find(|file| file.is_file());
    let found = std::env::var_os("TIDEGATE_TEST_PROMETHEUS").map(PathBuf::from).or_else(on_path);
    if found.is_none() {
        eprintln!("skipped: no Prometheus: install it or set TIDEGATE_TEST_PROMETHEUS");
    }
    found
}

/// A target that counts more requests at each scrape: 40 times as many failures of version 2 as of version 1, none of 3.
fn exporter() -> u16 {
    let target = StandIn::start(|before, _| {
        let n = before + 1;
        let mut body = "# TYPE hits_total counter\n# TYPE p99 gauge\n".to_owned();
        for (version, good, bad) in [(1, 900 * n, n), (2, 860 * n, 40 * n), (3, 900 * n, 0)] {
            writeln!(body, "hits_total{{version=\"{version}\",code=\"200\"}} {good}").unwrap();
            if bad > 0 {
                writeln!(body, "hits_total{{version=\"{version}\",code=\"500\"}} {bad}").unwrap();
            }
            writeln!(body, "p99{{version=\"{version}\"}} {}", 100 + n % 5 + 50 * usize::from(version == 2)).unwrap();
        }
        (200, body)
    });
    target.port
}
