//! Mines a repository and prints what was found and how long it took:
//! `cargo run --release -p tidegate-history --example mine -- REPOSITORY [TIP [STATE]]`.
//!
//! With a file for the state, a second run goes on from it. `scripts/history-repository.sh` makes a large repository.

use std::path::Path;
use tidegate_history::{Label, Settings, State, mine};

#[expect(clippy::disallowed_methods, reason = "an example that measures itself")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let repository = arguments.get(1).ok_or("give the path of a repository")?;
    let tip = arguments.get(2).map_or("HEAD", String::as_str);
    let file = arguments.get(3).map(Path::new);
    let started = now();
    let previous = file.filter(|file| file.exists()).map(State::load).transpose()?;
    let loaded = started.elapsed();
    let mined = mine(Path::new(repository), tip, &Settings::default(), previous, &mut |seen| {
        if seen.done % 5_000 == 0 {
            println!("{} of {}", seen.done, seen.total);
        }
    })?;
    let took = started.elapsed();
    if let Some(file) = file {
        mined.state.save(file)?;
    }
    let saved = started.elapsed();
    let count = |is: fn(&Label) -> bool| mined.changes().iter().filter(|change| is(&change.label)).count();
    println!(
        "{:?}: {} changes read, {} known, {} paths, {} authors",
        mined.how,
        mined.read,
        mined.changes().len(),
        mined.paths().len(),
        mined.authors()
    );
    println!(
        "fixed {}, clean {}, unlabelled {}, excluded {}; {} links; a fix is found within {:.1} days for {:.0} % ({} delays)",
        count(|label| matches!(label, Label::Fixed { .. })),
        count(|label| *label == Label::Clean),
        count(|label| *label == Label::Unlabelled),
        count(|label| matches!(label, Label::Excluded(_))),
        mined.links().len(),
        mined.maturity.age_s as f64 / 86_400.0,
        mined.maturity.quantile * 100.0,
        mined.maturity.delays,
    );
    println!(
        "state read {:.3} s, mined {:.3} s, state written {:.3} s",
        loaded.as_secs_f64(),
        (took - loaded).as_secs_f64(),
        (saved - took).as_secs_f64()
    );
    let state = file.and_then(|file| std::fs::metadata(file).ok()).map_or(0, |of| of.len());
    println!("state {state} bytes");
    Ok(())
}
