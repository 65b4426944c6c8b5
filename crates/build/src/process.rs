//! One command of a stage: a process group of its own, its lines as they come, stopped when asked.

use crate::guard::Guard;
use crate::observe::Stream;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Longest line that is shown; a longer one is cut into several.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Lines kept for the message when a command fails.
const TAIL_LINES_MAX: usize = 30;
/// Lines in flight.
const LINES_IN_FLIGHT_MAX: usize = 256;
/// How often a request to stop is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Looks between asking a stopped command to end and killing it.
const LOOKS_BEFORE_KILL: u32 = 250;
/// Looks for lines of processes that left the command's group.
const LOOKS_AFTER_EXIT: u32 = 10;

/// The command waits for a word on its standard input before it starts, so that it is under watch from its first
/// instruction; if we die before, the word never comes.
const GATE: &str = r#"read -r go || exit 125; exec </dev/null; exec "$@""#;
/// The shell where the user has none.
const SHELL: &str = "/bin/sh";

/// How a command ended.
pub(crate) enum Ended {
    Well,
    Code(i32),
    Signal(i32),
    Stopped,
}

enum Message {
    Line(Stream, String),
    Exit(std::io::Result<ExitStatus>),
}

/// The user's shell, told to read no files of its own, as DVC runs it: stages are written for it.
fn shell() -> Vec<std::ffi::OsString> {
    let shell = std::env::var_os("SHELL").filter(|s| !s.is_empty()).unwrap_or_else(|| SHELL.into());
    let name = Path::new(&shell).file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let flags: &[&str] = match name.as_str() {
        "zsh" => &["--no-rcs"],
        "bash" => &["--noprofile", "--norc"],
        "fish" => &["--no-config"],
        _ => &[],
    };
    let flags = flags.iter().map(std::ffi::OsString::from);
    std::iter::once(shell).chain(flags).collect()
}

/// Runs `line` with the user's shell, gives each line that it writes to `hear`, and returns how it ended and its last lines.
pub(crate) fn run_command(
    line: &str,
    directory: &Path,
    environment: &[(String, std::ffi::OsString)],
    guard: &Guard,
    cancel: &AtomicBool,
    hear: &mut dyn FnMut(Stream, String),
) -> std::io::Result<(Ended, Vec<String>)> {
    let mut child = Command::new(SHELL)
        .args(["-c", GATE, SHELL])
        .args(shell())
        .args(["-c", line])
        .current_dir(directory)
        .envs(environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = child.id();
    let (send, receive) = sync_channel(LINES_IN_FLIGHT_MAX);
    if let Some(out) = child.stdout.take() {
        read_lines(out, Stream::Out, send.clone());
    }
    if let Some(err) = child.stderr.take() {
        read_lines(err, Stream::Err, send.clone());
    }
    let opened = guard.watch(group).and_then(|()| child.stdin.take().map_or(Ok(()), |mut gate| gate.write_all(b"go\n")));
    if let Err(error) = opened {
        signal_group(group, Signal::KILL);
        let _ = child.wait();
        return Err(error);
    }
    std::thread::spawn(move || {
        let _ = send.send(Message::Exit(child.wait()));
    });
    let mut tail = VecDeque::new();
    let mut line_seen = |stream, line: String| {
        if tail.len() == TAIL_LINES_MAX {
            tail.pop_front();
        }
        tail.push_back(line.clone());
        hear(stream, line);
    };
    let (mut status, mut stopping, mut looks) = (None, false, 0);
    loop {
        match receive.recv_timeout(LOOK) {
            Ok(Message::Line(stream, line)) => line_seen(stream, line),
            Ok(Message::Exit(result)) => {
                // What the command left running would go on writing after its outputs are recorded.
                signal_group(group, Signal::KILL);
                status = Some(result);
                looks = 0;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                looks += 1;
                if status.is_some() && looks > LOOKS_AFTER_EXIT {
                    break;
                }
                if status.is_none() && stopping && looks > LOOKS_BEFORE_KILL {
                    signal_group(group, Signal::KILL);
                }
            }
        }
        if !stopping && status.is_none() && cancel.load(Ordering::Relaxed) {
            (stopping, looks) = (true, 0);
            signal_group(group, Signal::TERM);
        }
    }
    guard.release(group);
    let status = status.unwrap_or_else(|| Err(std::io::Error::other("the process was lost")))?;
    Ok((ended(status, stopping), tail.into()))
}

fn ended(status: ExitStatus, stopping: bool) -> Ended {
    match (stopping, status.code(), status.signal()) {
        (true, ..) => Ended::Stopped,
        (false, Some(0), _) => Ended::Well,
        // The gate's shell replaces itself by the command's, which reports a killed last command as 128 + signal.
        (false, Some(code), _) if code > 128 && code < 128 + 65 => Ended::Signal(code - 128),
        (false, Some(code), _) => Ended::Code(code),
        (false, None, signal) => Ended::Signal(signal.unwrap_or(0)),
    }
}

fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, signal);
    }
}

fn read_lines(source: impl Read + Send + 'static, stream: Stream, send: SyncSender<Message>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(source);
        loop {
            let mut bytes = Vec::new();
            match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&bytes);
            // A progress bar writes many times over one line: the last is what stands there.
            let shown = text.trim_end_matches(['\n', '\r']).rsplit('\r').next().unwrap_or_default().to_owned();
            if send.send(Message::Line(stream, shown)).is_err() {
                break;
            }
        }
    });
}
