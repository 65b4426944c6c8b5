//! Between the gateway and a server of another kind that it starts: ends it, with all that it started, when the gateway ends it or ends.
//!
//! A foreign program does not look whether its parent lives, and its own children are not the gateway's. So the gateway starts this
//! program, and this one starts the server in a process group of its own. It tells the group's number over its standard input, which is
//! the gateway's connection, waits for that to close, and says in the end whether nothing of the group is left.

use super::{WorkerError, connection_of_parent};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The word by which the worker's program becomes a guard: `worker --guard STOP_MS -- PROGRAM ARGUMENT..`.
pub const GUARD: &str = "--guard";
/// What it says when nothing of the group is left.
pub const DONE: u8 = b'd';

/// Runs the server until it ends or the gateway does; ends with the server's own exit code.
///
/// # Errors
/// When the server cannot be started.
pub fn guard(mut arguments: impl Iterator<Item = String>) -> Result<(), WorkerError> {
    let usage = || WorkerError::Guard("start a guard: it takes `--guard STOP_MS -- PROGRAM ARGUMENT..`".to_owned());
    let stop_ms: u64 = arguments.next().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    let (Some(_), Some(program)) = (arguments.next().filter(|word| word == "--"), arguments.next()) else { return Err(usage()) };
    let connection = connection_of_parent()?;
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    let mut server = command.spawn().map_err(|error| {
        WorkerError::Guard(format!("start `{program}`: {error}: name a program that is there in `command`, or its whole path"))
    })?;
    let group = Pid::from_child(&server);
    // A gateway that is gone already is noticed by whoever waits for its end.
    let _ = (&connection).write_all(&server.id().to_le_bytes());
    let watched = connection.try_clone().map_err(WorkerError::Connection)?;
    std::thread::spawn(move || end_with_gateway(&watched, group, Duration::from_millis(stop_ms)));
    let ended = server.wait()?;
    // What the server started and left behind.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = (&connection).write_all(&[DONE]);
    let code = ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or_default());
    std::process::exit(code);
}

/// Asks the group to end when the gateway's connection does, and kills it when it takes too long.
fn end_with_gateway(mut connection: &UnixStream, group: Pid, stop: Duration) {
    let mut byte = [0];
    while connection.read(&mut byte).is_ok_and(|read| read > 0) {}
    // A group that has ended meanwhile is as good.
    let _ = kill_process_group(group, Signal::TERM);
    std::thread::sleep(stop);
    let _ = kill_process_group(group, Signal::KILL);
}
