//! What a pipeline of 200 stages costs beside DVC: the first run of a matrix of `echo`, and a run with nothing to do; medians of
//! five, whole processes. DVC is measured where `TIDEGATE_TEST_DVC` names it; `TIDEGATE_BIN` names another `tidegate` than the
//! one beside this program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Repetitions of each measurement.
const TIMES: usize = 5;
const PIPELINE: &str = "stages:\n  grid:\n    matrix: {a: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], b: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]}\n    cmd: echo ${key} > out-${key}\n    deps: [in]\n    outs: ['out-${key}']\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = match std::env::var_os("TIDEGATE_BIN") {
        Some(path) => PathBuf::from(path),
        // target/release/examples/pipeline_rate -> target/release/tidegate
        None => std::env::current_exe()?.parent().and_then(Path::parent).map(|d| d.join("tidegate")).unwrap_or_default(),
    };
    if !own.is_file() {
        return Err(format!("there is no {}: build it with `cargo build --release --bin tidegate`", own.display()).into());
    }
    let (first, again) = measure(&own, "run")?;
    println!("200 stages, first run:     tidegate {first:.3} s");
    println!("200 stages, nothing to do: tidegate {again:.3} s");
    let Some(dvc) = std::env::var_os("TIDEGATE_TEST_DVC").map(PathBuf::from) else {
        println!("DVC is not measured: TIDEGATE_TEST_DVC does not name it");
        return Ok(());
    };
    let (their_first, their_again) = measure(&dvc, "repro")?;
    println!("200 stages, first run:     DVC {their_first:.3} s, {:.1} times", their_first / first);
    println!("200 stages, nothing to do: DVC {their_again:.3} s, {:.1} times", their_again / again);
    Ok(())
}

/// Seconds of the first run and of one with nothing to do, medians.
fn measure(program: &Path, word: &str) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let directory = tempfile::tempdir()?;
        let root = directory.path();
        std::fs::create_dir_all(root.join(".dvc"))?;
        std::fs::write(root.join(".dvc/config"), "[core]\n    no_scm = True\n")?;
        std::fs::write(root.join(".dvc/.gitignore"), "/config.local\n/tmp\n/cache\n")?;
        std::fs::write(root.join("dvc.yaml"), PIPELINE)?;
        std::fs::write(root.join("in"), "x\n")?;
        first.push(seconds(program, word, root)?);
        again.push(seconds(program, word, root)?);
    }
    Ok((median(first), median(again)))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn seconds(program: &Path, word: &str, root: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let status = Command::new(program)
        .arg(word)
        .current_dir(root)
        .env("SHELL", "/bin/sh")
        .env("DVC_NO_ANALYTICS", "1")
        .env("DVC_SITE_CACHE_DIR", root.join(".site"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let took = began.elapsed().as_secs_f64();
    if status.success() { Ok(took) } else { Err(format!("{} {word}: {status}", program.display()).into()) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
