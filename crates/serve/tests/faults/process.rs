//! Processes of a test: started, sent signals, and ended with it.

use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub struct Process {
    pub address: SocketAddr,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the worker of the tests as something else; its first line says where it listens.
    pub async fn start(arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-test-worker"));
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        Process { address, child, lines }
    }

    pub fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(process, signal).unwrap();
    }

    /// Its last line, and whether it ended well.
    pub async fn end(mut self) -> (String, bool) {
        let line = self.lines.next_line().await.unwrap().unwrap_or_default();
        (line, self.child.wait().await.unwrap().success())
    }
}
