//! The one binary: command line, HTTP server, wiring. Everything that touches the outside is put together here.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod cli;
mod client;
mod clock;
mod columns;
mod daemon;
mod exit;
mod show;
mod steps;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.json;
    match cli::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            show::error(&error, json);
            ExitCode::from(exit::code_of(&error))
        }
    }
}
