//! One worker process: started with its connection as standard input, its last words kept, ended for certain.

use crate::limits::{EXIT_MS_MAX, LAST_WORDS_MS_MAX, WORKER_LINE_CHARS_MAX, WORKER_LINES_MAX};
use crate::pool::{LogFile, PoolSettings, TargetSpec};
use crate::task;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A running worker.
#[derive(Debug)]
pub struct Process {
    child: Child,
    words: Arc<Mutex<VecDeque<String>>>,
    listeners: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a worker; the stream is the gateway's end of its connection.
    pub fn start(spec: &TargetSpec, settings: &PoolSettings) -> std::io::Result<(Process, UnixStream)> {
        let conduct = serde_json::to_string(&spec.conduct)?;
        let mut command = Command::new(&settings.program);
        command.args(&settings.arguments);
        command.arg("--dir").arg(&spec.dir).arg("--library").arg(&settings.library);
        command.args([
            "--model",
            &spec.model,
            "--version",
            &spec.target.version,
            "--role",
            spec.target.role.as_str(),
            "--conduct",
            &conduct,
        ]);
        Process::connected(command, spec.target.to_string(), None)
    }

    /// Starts a program with a connection to us as standard input; what it says goes to `log` under `name`, where there is one.
    pub fn connected(mut command: Command, name: String, log: Option<Arc<LogFile>>) -> std::io::Result<(Process, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        // A group of its own: the terminal's Ctrl-C goes to the gateway, which drains before it ends its workers.
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        // Closes our copy of the worker's end: from here on its end is noticed.
        drop(command);
        let (words, mut listeners) = (Arc::default(), Vec::new());
        if let Some(stdout) = child.stdout.take() {
            listeners.push(task::spawn(listen(stdout, Arc::clone(&words), name.clone(), log.clone())));
        }
        if let Some(stderr) = child.stderr.take() {
            listeners.push(task::spawn(listen(stderr, Arc::clone(&words), name, log)));
        }
        Ok((Process { child, words, listeners }, ours))
    }

    /// The process; 0 when it has ended.
    pub fn number(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits for its end and says how it ended, with its last words.
    pub async fn ended(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("its end cannot be read: {error}"),
        };
        // Its last words may still be on their way; whoever else holds its pipes open is not waited for.
        for listener in self.listeners.drain(..) {
            let _ = tokio::time::timeout(Duration::from_millis(LAST_WORDS_MS_MAX), listener).await;
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.is_empty() { how } else { format!("{how}; it said: {}", words.iter().cloned().collect::<Vec<_>>().join(" | ")) }
    }

    /// Waits a little for it to end by itself, then kills it; says how it ended.
    pub async fn end(&mut self) -> String {
        self.end_within(EXIT_MS_MAX).await
    }

    /// Waits so long for it to end by itself, in milliseconds, then kills it; says how it ended.
    pub async fn end_within(&mut self, ms: u64) -> String {
        if let Ok(how) = tokio::time::timeout(Duration::from_millis(ms), self.ended()).await {
            return how;
        }
        self.kill().await
    }

    /// Kills it; says how it ended.
    pub async fn kill(&mut self) -> String {
        // Already ended is as good.
        let _ = self.child.start_kill();
        self.ended().await
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its process ended with exit code {code}"),
        (None, Some(signal)) => format!("its process was ended by signal {signal}"),
        (None, None) => "its process ended".to_owned(),
    }
}

/// Keeps the last lines that a worker wrote.
async fn listen(stream: impl AsyncRead + Unpin, words: Arc<Mutex<VecDeque<String>>>, target: String, log: Option<Arc<LogFile>>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without end is read in parts, so that it cannot fill the memory.
        match (&mut reader).take(WORKER_LINE_CHARS_MAX as u64 * 4).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text: String = String::from_utf8_lossy(&line).trim().chars().take(WORKER_LINE_CHARS_MAX).collect();
        if text.is_empty() {
            continue;
        }
        tracing::debug!(%target, %text, "a worker said");
        if let Some(log) = log.clone() {
            let (who, text) = (target.clone(), text.clone());
            // A disk that waits must not keep requests waiting.
            let _ = task::aside(move || log.add(&who, &text)).await;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() >= WORKER_LINES_MAX {
            words.pop_front();
        }
        words.push_back(text);
    }
}
