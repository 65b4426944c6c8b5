//! `tidegate model quantise`: a smaller model, written only where its answers stay near enough to those of the version that it is made from.

use super::{Context, model};
use crate::clock;
use crate::daemon::start::runtime;
use crate::daemon::versions;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tidegate_runtime::quantise::quantise as smaller;
use tidegate_runtime::{Comparison, Format, InferRequest, Version, oip};
use tidegate_store::{FsBlobs, disk};

/// Answers that are timed.
const TIMED: usize = 200;
/// Longest line of the file of requests.
const LINE_BYTES_MAX: usize = oip::BODY_BYTES_MAX;

/// What to make smaller, and how near is near enough.
#[derive(Debug, Args)]
pub struct QuantiseArgs {
    /// Model
    model: String,
    /// Version, or an alias such as `champion`
    version: String,
    /// Where the smaller model is written
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Requests to compare the answers to, beside the golden ones: a body of the Open Inference Protocol in each line
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Largest difference of two numbers that is near enough
    #[arg(long, value_name = "NUMBER", default_value_t = 0.05)]
    max_difference: f64,
    /// Share of rows, in percent, that may be decided otherwise
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    max_changed: f64,
}

/// One of both models.
#[derive(Serialize)]
struct Side {
    bytes: usize,
    p50_us: f64,
    p99_us: f64,
}

/// Carries it out.
pub fn quantise(context: &Context, args: &QuantiseArgs) -> Result<u8> {
    let what = format!("quantise {} version {}", args.model, args.version);
    let opened = workspace::open(&context.dir)?;
    let states = model::states(context)?;
    let (version, _) = model::named(&states, "quantise", &args.model, &args.version)?;
    let dir = versions::directory(&opened.places.versions(), &FsBlobs::open(&opened.places.blobs())?, version)?;
    let file = Version::model_file(&dir)?;
    if !Version::needs_library(&dir)? {
        return Err(failure(exit::USAGE, format!("{what}: its model is no ONNX file, and trees have no matrix products")));
    }
    runtime(&opened, None)?;
    let whole = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let made = smaller(&whole).map_err(|why| failure(exit::USAGE, format!("{what}: {why}")))?;
    let before = Version::open(&dir)?;
    let beside = tempfile::tempdir().context("make a folder for the smaller model")?;
    for entry in std::fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let entry = entry?;
        std::fs::copy(entry.path(), beside.path().join(entry.file_name())).with_context(|| format!("copy {}", entry.path().display()))?;
    }
    std::fs::write(beside.path().join(Format::Onnx.file_name()), &made.model).context("write the smaller model")?;
    let after = Version::open(beside.path()).with_context(|| format!("{what}: the smaller model cannot be loaded"))?;
    let requests = requests(&before, args.requests.as_deref(), &what)?;
    let compared = before.compare(&after, &requests).with_context(|| what.clone())?;
    let sides = [side(&before, whole.len(), &requests)?, side(&after, made.model.len(), &requests)?];
    let near = is_near(&compared, args);
    if near {
        let path = context.dir.join(&args.output);
        disk::replace_file(&path, &made.model)?;
    }
    print(context, args, &compared, &sides, (made.taken, made.left), near)?;
    Ok(if near { exit::OK } else { exit::NOT_PASSED })
}

/// The golden requests, and those of a file.
fn requests(version: &Version, file: Option<&Path>, what: &str) -> Result<Vec<InferRequest>> {
    let golden = version.golden().map(|golden| golden.requests.as_slice()).unwrap_or_default();
    let mut all = golden.iter().map(|one| version.golden_request(one)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("{what}: read {}", path.display()))?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("{what}: {} line {}", path.display(), number + 1);
            if line.len() > LINE_BYTES_MAX {
                return Err(failure(exit::USAGE, format!("{}: longer than {LINE_BYTES_MAX} bytes", place())));
            }
            all.push(oip::parse_infer_request(line.as_bytes()).map_err(|why| failure(exit::USAGE, format!("{}: {why}", place())))?);
        }
    }
    if all.is_empty() {
        let why = "there is no golden request and no --requests, so nothing would show how near its answers are";
        return Err(failure(exit::USAGE, format!("{what}: {why}")));
    }
    Ok(all)
}

fn is_near(compared: &Comparison, args: &QuantiseArgs) -> bool {
    let changed = compared.changed as f64 * 100.0 <= args.max_changed * compared.rows as f64;
    // Nothing compared is not near, nor is what is no number.
    compared.rows > 0 && compared.largest <= args.max_difference && changed
}

fn side(version: &Version, bytes: usize, requests: &[InferRequest]) -> Result<Side> {
    let started = clock::instant();
    let mut now_us = || started.elapsed().as_secs_f64() * 1e6;
    let mut times = version.measure_latency(requests, TIMED, &mut now_us)?;
    times.sort_by(f64::total_cmp);
    let at =
        |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
    Ok(Side { bytes, p50_us: at(0.5), p99_us: at(0.99) })
}

fn print(
    context: &Context,
    args: &QuantiseArgs,
    compared: &Comparison,
    sides: &[Side; 2],
    products: (usize, usize),
    near: bool,
) -> Result<()> {
    let (taken, left) = products;
    if context.json {
        return show::json(&serde_json::json!({
            "near": near, "compared": compared, "before": sides[0], "after": sides[1], "taken": taken, "left": left,
            "output": near.then(|| args.output.display().to_string()),
        }));
    }
    let row = |name: &str, side: &Side| {
        vec![name.to_owned(), side.bytes.to_string(), format!("{:.1}", side.p50_us), format!("{:.1}", side.p99_us)]
    };
    show::line(&show::table(&["model", "bytes", "p50 us", "p99 us"], vec![row("before", &sides[0]), row("int8", &sides[1])]))?;
    show::line(&format!("{taken} matrix products taken, {left} left as they are"))?;
    let Comparison { rows, largest, mean, changed, .. } = compared;
    show::line(&format!("{rows} rows: numbers differ by at most {largest:.4}, {mean:.5} in the mean; {changed} decided otherwise"))?;
    let bounds = format!("at most {} and {} %", args.max_difference, args.max_changed);
    if near {
        show::line(&format!("{}: near enough ({bounds}); written to {}", style::strong("passed"), args.output.display()))
    } else {
        show::line(&format!("{}: not near enough ({bounds}); nothing was written", style::strong("refused")))
    }
}
