//! How many appends a second the journal acknowledges, each durable, and how fast records are sealed.
//!
//! `cargo run --release -p tidegate-store --example commit_rate -- DIR`
#![expect(clippy::disallowed_methods, reason = "a measurement of time reads the clock")]

use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;
use tidegate_core::id::At;
use tidegate_port::{Journal, NewEvent};
use tidegate_store::{Keys, Log, SqliteJournal};

/// Appends that are timed for each number of events.
const APPENDS: u64 = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("tidegate-commit-rate"), PathBuf::from);
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("journal.db");
    if path.exists() {
        return Err(format!("{} exists: name an empty directory", path.display()).into());
    }
    let mut journal = SqliteJournal::open(&path)?;
    let body = json!({ "VerdictChanged": { "generation": 3, "why": "x".repeat(300) } });
    for events in [1, 10, 100] {
        let batch: Vec<NewEvent> = (0..events).map(|_| NewEvent { kind: "rollout", body: body.clone() }).collect();
        let stream = format!("rate/{events}");
        let mut slowest_us = 0;
        let begun = Instant::now();
        for n in 0..APPENDS {
            let one = Instant::now();
            journal.append(&stream, n * events, Some(&n.to_string()), At(0), &batch)?;
            slowest_us = slowest_us.max(one.elapsed().as_micros());
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "appends of {events:>3} events: {:>7.0} appends/s, {:>8.0} events/s, slowest {slowest_us} us",
            APPENDS as f64 / seconds,
            (APPENDS * events) as f64 / seconds
        );
    }
    let keys = Keys::open(&dir.join("vault"), "rate")?;
    let mut log = Log::open(&dir.join("log"), keys.signer(), &mut journal)?;
    let begun = Instant::now();
    let sealed = log.seal(&mut journal)?;
    println!("sealed {} records in {} ms", sealed.size, begun.elapsed().as_millis());
    let begun = Instant::now();
    journal.append("rate/last", 0, None, At(0), &[NewEvent { kind: "rollout", body }])?;
    log.seal(&mut journal)?;
    println!("one append and its seal: {} ms", begun.elapsed().as_millis());
    let begun = Instant::now();
    let verified = tidegate_store::audit::verify(&dir.join("log"), &keys.vkey(), None)?;
    println!("verified {} entries in {} ms", verified.size, begun.elapsed().as_millis());
    Ok(())
}
