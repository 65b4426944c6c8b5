//! The one binary: command line, HTTP server, wiring. Everything that touches the outside is put together here.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod cli;
mod client;
mod clock;
mod columns;
mod daemon;
mod exit;
mod pack;
mod past;
mod show;
mod source;
mod steps;
mod surroundings;
mod task;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_to_ourselves();
    // Workers are started by the gateway, many times and in a hurry: no command line for people.
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("worker") {
        return worker(arguments);
    }
    let cli = cli::Cli::parse();
    let json = cli.json;
    match cli::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        // Who listens has heard enough, as `head` does.
        Err(error) if show::nobody_listens(&error) => ExitCode::from(exit::OK),
        Err(error) => {
            show::error(&error, json);
            ExitCode::from(exit::code_of(&error))
        }
    }
}

/// ONNX Runtime counts its uses and writes them down unless it is told not to before it is loaded; workers and stages
/// inherit the word.
#[expect(unsafe_code, reason = "the first thing that this process does: no other thread reads the environment yet")]
#[expect(clippy::disallowed_methods, reason = "ONNX Runtime reads it in this very process, and nothing else runs yet")]
fn keep_to_ourselves() {
    // SAFETY: no thread has been started.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// What the gateway starts for each version and role: `tidegate worker --dir D --library L --model M --version V --role R`.
fn worker(arguments: impl Iterator<Item = String>) -> ExitCode {
    match tidegate_serve::worker::main(arguments) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            show::note(&format!("error: {error}"));
            ExitCode::from(exit::OUTSIDE)
        }
    }
}
