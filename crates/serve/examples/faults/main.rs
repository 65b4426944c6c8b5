//! Faults, measured: what becomes of requests that come at fixed times while something breaks, and how long it takes to notice.
//!
//! `scripts/faults.sh [PART..] [--seconds S]`: `stopped`, `overload`, `swaps`, `kills`, `drain`, `weights` (all of
//! them where none is named), and `soak` for S seconds. What they print stands in docs/benchmarks.md. Gateway and load share the machine.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/support/open_loop.rs"]
mod open_loop;
mod parts;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/support/processes.rs"]
mod processes;
mod servers;
mod setting;
mod soak;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/gateway/upstream.rs"]
mod upstream;
mod weights;

/// That of the program itself: what memory does under load is the allocator's doing as well as ours.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTS: [&str; 6] = ["stopped", "overload", "swaps", "kills", "drain", "weights"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("worker") => return setting::worker(arguments.into_iter().skip(1)),
        Some("upstream") => return processes::upstream(),
        Some("gateway") => return run(soak::gateway()),
        _ => {}
    }
    let seconds = arguments.iter().position(|a| a == "--seconds").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let mut wanted: Vec<&str> = arguments.iter().map(String::as_str).take_while(|a| *a != "--seconds").collect();
    if wanted.is_empty() {
        wanted = PARTS.to_vec();
    }
    run(async {
        for part in wanted {
            match part {
                "stopped" => servers::stopped().await,
                "overload" => parts::overload().await,
                "swaps" => parts::swaps().await,
                "kills" => parts::kills().await,
                "drain" => parts::drain().await,
                "weights" => weights::weights().await,
                "soak" => soak::soak(seconds.unwrap_or(600)).await,
                other => panic!("{other} is none of {}, soak", PARTS.join(", ")),
            }
        }
    });
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}
