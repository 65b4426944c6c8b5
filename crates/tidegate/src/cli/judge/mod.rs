//! `tidegate judge`: two arms whose counts or series are at hand, without a release.

mod batches;
mod latencies;
mod prometheus;
mod source;
mod span;

use self::batches::{BatchesArgs, LabelsArgs};
use self::latencies::LatenciesArgs;
use self::prometheus::PrometheusArgs;
use self::source::SourceArgs;
use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, style};
use crate::workspace::read_text;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tidegate_core::judge::{
    By, CountsAssessment, Guardrail, HistoryPoint, Interval, JudgeSettings, PAIRS_MAX, SeriesAssessment, SeriesSettings, Verdict, Worse,
    errors_of_preset, for_counts, judge_counts, judge_series,
};
use tidegate_core::peers::side_by_side::{Answer, Ending, side_by_side};
use tidegate_wire::samples::{counts, series};

/// Characters of a picture.
const WIDTH: usize = 60;
/// The picture's steps, from nothing to the bar and beyond.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What is judged.
#[derive(Debug, Subcommand)]
pub enum JudgeCommand {
    /// Judges counts of requests and failures: a table with candidate_requests, candidate_errors, control_requests, control_errors
    Counts(CountsArgs),
    /// Judges two series of one measurement, taken side by side: latencies, scores, throughput, money
    Series(SeriesArgs),
    /// Judges latencies, and failures where they are known, of single requests: a table with time, arm, latency_ms and perhaps failed
    Latencies(LatenciesArgs),
    /// Judges counters, or a measured value, of a Prometheus server
    Prometheus(OnPrometheus),
    /// Judges a measured value of a service under `sources` in tidegate.yaml: Datadog, CloudWatch, New Relic, InfluxDB, Graphite, ..
    Source(OnSource),
    /// Judges labels that come in batches, up to a planned number of them (a group-sequential test)
    Batches(BatchesArgs),
    /// Joins labels to the requests they belong to and judges them in batches, as they came
    Labels(LabelsArgs),
    /// Holds our verdict on counts beside those of Argo Rollouts, Flagger and Kayenta
    Compare(CountsArgs),
}

/// Counts, and what harm means.
#[derive(Debug, Args)]
pub struct CountsArgs {
    /// Table of counts, one row an interval: CSV with a header, or JSON lines
    file: PathBuf,
    #[command(flatten)]
    harm: CountHarm,
    /// Length of an interval in seconds, for the time to a decision
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    tick: u64,
    /// The candidate's share of requests that was meant, as 0.1: counts that do not fit it hold the verdict
    #[arg(long)]
    share: Option<f64>,
}

/// What harm means for counts.
#[derive(Debug, Args)]
pub struct CountHarm {
    /// Ratio of error rates that nobody minds
    #[arg(long, value_name = "RATIO")]
    tolerance: Option<f64>,
    /// Absolute difference of error rates that nobody minds, as 0.001
    #[arg(long, value_name = "SHARE")]
    slack: Option<f64>,
    /// Ratio from which it is harm
    #[arg(long, value_name = "RATIO")]
    harm: Option<f64>,
    /// Absolute difference from which it is harm
    #[arg(long, value_name = "SHARE")]
    harm_slack: Option<f64>,
    /// Chance that a harmless candidate is called harmful, however often one looks
    #[arg(long, default_value_t = 0.01)]
    alpha: f64,
    /// Chance that a harmful candidate is called harmless
    #[arg(long, default_value_t = 0.05)]
    beta: f64,
}

/// Counters or a value of a Prometheus server, and what harm means.
#[derive(Debug, Args)]
pub struct OnPrometheus {
    #[command(flatten)]
    from: PrometheusArgs,
    #[command(flatten)]
    harm: CountHarm,
    /// With --gauge: which direction is worse
    #[arg(long, value_enum, default_value = "higher")]
    worse: WorseWord,
}

/// Two series, and what harm means.
#[derive(Debug, Args)]
pub struct SeriesArgs {
    /// The candidate's values: one number a line, or a table
    #[arg(long, value_name = "FILE")]
    candidate: PathBuf,
    /// The control's values, taken at the same times
    #[arg(long, value_name = "FILE")]
    control: PathBuf,
    /// The column of both tables
    #[arg(long)]
    column: Option<String>,
    #[command(flatten)]
    harm: SeriesHarm,
}

/// A measured value of a service, and what harm means.
#[derive(Debug, Args)]
pub struct OnSource {
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    harm: SeriesHarm,
}

/// What harm means for a measured value.
#[derive(Debug, Args)]
pub struct SeriesHarm {
    /// Which direction is worse
    #[arg(long, value_enum, default_value = "higher")]
    worse: WorseWord,
    /// Compare differences, in the unit of the values, and not ratios
    #[arg(long)]
    difference: bool,
    /// Worse by no more than this is harmless: a ratio as 1.02, or a difference
    #[arg(long)]
    tolerance: Option<f64>,
    /// Worse by this is harmful: a ratio as 1.1, or a difference
    #[arg(long)]
    harm: Option<f64>,
    /// Chance that a harmless candidate is called harmful, however often one looks
    #[arg(long, default_value_t = 0.01)]
    alpha: f64,
    /// Chance that a harmful candidate is called harmless
    #[arg(long, default_value_t = 0.05)]
    beta: f64,
}

/// A direction.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorseWord {
    /// Larger values are worse
    Higher,
    /// Smaller values are worse
    Lower,
}

impl WorseWord {
    fn meant(self) -> Worse {
        match self {
            WorseWord::Higher => Worse::Higher,
            WorseWord::Lower => Worse::Lower,
        }
    }
}

/// Carries it out: 0 for a promotion, 1 for anything else.
pub fn judge(context: &Context, command: &JudgeCommand) -> Result<u8> {
    match command {
        JudgeCommand::Counts(args) => of_counts(context, args),
        JudgeCommand::Latencies(args) => latencies::of_latencies(context, args),
        JudgeCommand::Series(args) => of_series(context, args),
        JudgeCommand::Batches(args) => batches::of_batches(context, args),
        JudgeCommand::Labels(args) => batches::of_labels(context, args),
        JudgeCommand::Compare(args) => compare(context, args),
        JudgeCommand::Prometheus(args) => of_prometheus(context, args),
        JudgeCommand::Source(args) => of_source(context, args),
    }
}

fn code(verdict: &Verdict) -> u8 {
    if *verdict == Verdict::Promote { exit::OK } else { exit::NOT_PASSED }
}

fn wrong(why: impl std::fmt::Display) -> anyhow::Error {
    failure(exit::USAGE, format!("judge: {why}"))
}

fn read(context: &Context, args: &CountsArgs) -> Result<Vec<Interval>> {
    let text = read_text(&context.dir.join(&args.file))?;
    counts(&args.file.display().to_string(), &text).map_err(wrong)
}

fn is_chance(x: f64) -> bool {
    x > 0.0 && x < 1.0
}

fn chances(alpha: f64, beta: f64) -> Result<()> {
    if is_chance(alpha) && is_chance(beta) { Ok(()) } else { Err(wrong("--alpha and --beta are chances between 0 and 1")) }
}

fn settings(harm: &CountHarm, tick_s: u64, share: Option<f64>) -> Result<JudgeSettings> {
    let preset = errors_of_preset();
    let errors = Guardrail {
        tolerance: harm.tolerance.unwrap_or(preset.tolerance),
        slack: harm.slack.unwrap_or(preset.slack),
        harm: harm.harm.unwrap_or(preset.harm),
        harm_slack: harm.harm_slack.unwrap_or(preset.harm_slack),
        ..preset
    };
    chances(harm.alpha, harm.beta)?;
    if share.is_some_and(|share| !is_chance(share)) {
        return Err(wrong("--share is a share between 0 and 1"));
    }
    let sound = errors.tolerance >= 1.0 && errors.slack >= 0.0 && errors.harm >= errors.tolerance && errors.harm_slack >= errors.slack;
    let apart = errors.harm > errors.tolerance || errors.harm_slack > errors.slack;
    let finite = [errors.tolerance, errors.slack, errors.harm, errors.harm_slack].iter().all(|x| x.is_finite());
    if !(sound && apart && finite) {
        return Err(wrong(format!(
            "harmless is up to {} times and {} more, harmful from {} times and {} more: give a tolerance from 1, a slack from 0, and more for harm",
            errors.tolerance, errors.slack, errors.harm, errors.harm_slack
        )));
    }
    let settings = for_counts(errors, share);
    Ok(JudgeSettings { alpha: harm.alpha, beta: harm.beta, tick_ms: tick_s.max(1).saturating_mul(1_000), ..settings })
}

fn judged(args: &CountsArgs, rows: &[Interval]) -> Result<CountsAssessment> {
    Ok(judge_counts(&settings(&args.harm, args.tick, args.share)?, rows, args.share))
}

fn of_counts(context: &Context, args: &CountsArgs) -> Result<u8> {
    tell_counts(context, &judged(args, &read(context, args)?)?)
}

fn tell_counts(context: &Context, found: &CountsAssessment) -> Result<u8> {
    if context.json {
        show::json(found)?;
    } else {
        let a = &found.assessment;
        show::line(&format!("{}  {}", word(&a.verdict), a.summary))?;
        decided(found.decided_at, "interval")?;
        for guardrail in &a.guardrails {
            show::line(&format!("  {}: {}", style::strong(&guardrail.name), guardrail.flips))?;
        }
        let history = &found.history;
        let course = |pick: fn(&HistoryPoint) -> f64| history.points.iter().map(pick).collect::<Vec<_>>();
        picture("rollback ", &course(|p| p.e_rollback), history.needs_rollback)?;
        picture("promotion", &course(|p| p.e_promote), history.needs_promote)?;
    }
    Ok(code(&found.assessment.verdict))
}

fn of_prometheus(context: &Context, args: &OnPrometheus) -> Result<u8> {
    if !args.from.gauge() {
        let settings = settings(&args.harm, args.from.tick_s()?, None)?;
        return tell_counts(context, &judge_counts(&settings, &args.from.counts()?, None));
    }
    let defaults = SeriesSettings::default();
    let settings = SeriesSettings {
        alpha: args.harm.alpha,
        beta: args.harm.beta,
        worse: args.worse.meant(),
        tolerance: args.harm.tolerance.unwrap_or(defaults.tolerance),
        harm: args.harm.harm.unwrap_or(defaults.harm),
        ..defaults
    };
    let (candidate, control) = args.from.values()?;
    judge_pairs(context, &settings, candidate.into_iter().zip(control).collect())
}

fn of_series(context: &Context, args: &SeriesArgs) -> Result<u8> {
    let one = |path: &PathBuf| {
        let text = read_text(&context.dir.join(path))?;
        series(&path.display().to_string(), &text, args.column.as_deref()).map_err(wrong)
    };
    let (candidate, control) = (one(&args.candidate)?, one(&args.control)?);
    if candidate.len() != control.len() {
        let (a, b) = (candidate.len(), control.len());
        return Err(wrong(format!(
            "{a} values of the candidate and {b} of the control: give one of each for every time; an empty cell is a missing one"
        )));
    }
    judge_pairs(context, &args.harm.settings()?, candidate.into_iter().zip(control).collect())
}

fn of_source(context: &Context, args: &OnSource) -> Result<u8> {
    let (candidate, control) = args.from.values(context)?;
    judge_pairs(context, &args.harm.settings()?, candidate.into_iter().zip(control).collect())
}

impl SeriesHarm {
    fn settings(&self) -> Result<SeriesSettings> {
        let defaults = SeriesSettings::default();
        Ok(SeriesSettings {
            alpha: self.alpha,
            beta: self.beta,
            worse: self.worse.meant(),
            by: if self.difference { By::Difference } else { By::Ratio },
            tolerance: self.tolerance.unwrap_or(if self.difference { 0.0 } else { defaults.tolerance }),
            harm: match (self.harm, self.difference) {
                (Some(harm), _) => harm,
                (None, false) => defaults.harm,
                (None, true) => return Err(wrong("with --difference --harm says how large a difference is harmful: give it")),
            },
            ..defaults
        })
    }
}

fn judge_pairs(context: &Context, settings: &SeriesSettings, pairs: Vec<(f64, f64)>) -> Result<u8> {
    if let Some(why) = settings.mistake() {
        return Err(wrong(why));
    }
    if pairs.len() > PAIRS_MAX {
        return Err(wrong(format!("{} pairs, at most {PAIRS_MAX} are judged: take the middle of longer intervals", pairs.len())));
    }
    if let (By::Ratio, Some(at)) = (settings.by, pairs.iter().position(|(a, b)| *a <= 0.0 || *b <= 0.0)) {
        return Err(wrong(format!("value {} is not above 0, so it has no ratio: use --difference", at + 1)));
    }
    let found = judge_series(settings, &pairs);
    if context.json {
        show::json(&found)?
    } else {
        tell(&found)?
    }
    Ok(code(&found.verdict))
}

fn tell(found: &SeriesAssessment) -> Result<()> {
    show::line(&format!("{}  {}", word(&found.verdict), found.summary))?;
    decided(found.decided_at, "pair")?;
    picture("rollback ", &found.points.iter().map(|p| p.e_rollback).collect::<Vec<_>>(), found.needs_rollback)?;
    picture("promotion", &found.points.iter().map(|p| p.e_promote).collect::<Vec<_>>(), found.needs_promote)
}

fn decided(at: Option<u64>, unit: &str) -> Result<()> {
    at.map_or(Ok(()), |at| show::line(&format!("  a bar was first reached after {unit} {at}")))
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Promote => style::good("promote"),
        Verdict::Rollback => style::bad("rollback"),
        Verdict::Hold { .. } => style::warn("hold"),
        Verdict::Continue => style::warn("no decision yet"),
        Verdict::InsufficientEvidence { .. } => style::warn("insufficient evidence"),
        Verdict::NoTelemetry => style::warn("no telemetry"),
    }
}

/// The course of an e-value on the scale of its logarithm, from 1 to its bar.
fn picture(name: &str, course: &[f64], bar: f64) -> Result<()> {
    let (Some(last), top) = (course.last(), bar.ln()) else { return Ok(()) };
    let columns = course.len().min(WIDTH);
    let at = |column: usize| course.get((column + 1) * course.len() / columns.max(1) - 1).copied().unwrap_or(1.0);
    let level = |e: f64| {
        let height = (e.max(1.0).ln() / top).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
        let step = (height * 7.0).round() as usize;
        LEVELS.get(step).copied().unwrap_or('█')
    };
    let drawn: String = (0..columns).map(|column| level(at(column))).collect();
    let last = if *last < 1e6 { format!("{last:.2}") } else { format!("{last:.1e}") };
    show::line(&format!("  {name} {drawn} {last} of {bar:.0}"))
}

fn compare(context: &Context, args: &CountsArgs) -> Result<u8> {
    let rows = read(context, args)?;
    let found = judged(args, &rows)?;
    let verdict = &found.assessment.verdict;
    let ours = Answer {
        judge: format!("Tidegate, alpha {}", args.harm.alpha),
        ending: match verdict {
            Verdict::Rollback => Ending::Rollback,
            Verdict::Promote => Ending::Promote,
            _ => Ending::Undecided,
        },
        at: found.decided_at,
        why: found.assessment.summary.clone(),
    };
    let all: Vec<Answer> = std::iter::once(ours).chain(side_by_side(&rows)).collect();
    if context.json {
        show::json(&serde_json::json!({ "intervals": rows.len(), "judges": all }))?;
        return Ok(code(verdict));
    }
    let widest = all.iter().map(|a| a.judge.chars().count()).max().unwrap_or(0);
    for answer in &all {
        let (ending, mark) = match answer.ending {
            Ending::Rollback => (style::bad("rollback "), '×'),
            Ending::Promote => (style::good("promote  "), '✓'),
            Ending::Undecided => (style::warn("undecided"), ' '),
        };
        let at = answer.at.map_or_else(|| "by the end".to_owned(), |at| format!("after {at}"));
        show::line(&format!("{:<widest$}  {}  {ending}  {at}", answer.judge, timeline(answer.at, mark, rows.len())))?;
        show::line(&format!("{:widest$}  {}", "", style::quiet(&answer.why)))?;
    }
    Ok(code(verdict))
}

/// A line as long as the data, with a mark where it was decided.
fn timeline(at: Option<u64>, mark: char, intervals: usize) -> String {
    let place = at.and_then(|at| usize::try_from(at).ok()).map(|at| (at * WIDTH).div_ceil(intervals.max(1)).clamp(1, WIDTH));
    (1..=WIDTH)
        .map(|column| {
            if place == Some(column) {
                mark
            } else if place.is_none_or(|p| column < p) {
                '─'
            } else {
                ' '
            }
        })
        .collect()
}
