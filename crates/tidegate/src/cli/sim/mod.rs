//! `tidegate sim`: one seed of the simulated world, or a written one, as a story; or judges side by side on simulated counts.

mod judges;

use super::Context;
use crate::exit;
use crate::show::{self, progress::Progress};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidegate_sim::corpus::{Corpus, Outcome, Truth, release, truths};
use tidegate_sim::explore::explore;
use tidegate_sim::{Script, Story, play};

/// Which world.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimArgs {
    /// Seed of everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    command: Option<SimCommand>,
}

/// Other things than one world.
#[derive(Debug, Subcommand)]
enum SimCommand {
    /// Our judge beside those of other tools: false rollbacks, time to find harm, users who met it, in every combination of
    /// traffic, errors and disturbance
    Judges(judges::JudgesArgs),
    /// Faulty and healthy releases, carried out whole: how many alarms are right, and how many faults are found
    Corpus(CorpusArgs),
    /// Many seeds one after the other, each a world of its own; what broke a rule is named
    Seeds {
        /// How many
        #[arg(long, default_value_t = 1_000)]
        count: u64,
        /// The first
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// A written world, told as a story
    Story {
        /// Which
        script: ScriptName,
    },
    /// Every order of what data plane, judge, person and clock can say to the machine, up to a bound
    Explore {
        /// Commands in a row after the start
        #[arg(long, default_value_t = 7)]
        depth: usize,
    },
}

/// Written worlds by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScriptName {
    /// It stays at its weight, and goes on afterwards
    Freeze,
    /// It goes back in the freeze
    HarmInFreeze,
    /// An author tries to approve their own change
    OwnChange,
    /// The glass is broken, ends by itself, and is answered for
    BrokenGlass,
    /// A breaker halts an environment with two releases under way
    Halted,
    /// Two releases at once, one of which is guilty of what another service shows
    Guilty,
    /// A train of four services goes back in reverse, past one that cannot be taken back
    Train,
    /// A train is refused for what a version no longer gives; another stands still for it, and goes on
    Signatures,
    /// An A/B test in which one variant harms, one is better and one no different
    Ab,
    /// One version goes through staging and two regions, is harmful in the second, and back in all, the last first
    Regions,
}

impl ScriptName {
    fn script(self) -> Script {
        match self {
            ScriptName::Freeze => Script::Freeze,
            ScriptName::HarmInFreeze => Script::HarmInFreeze,
            ScriptName::OwnChange => Script::OwnChange,
            ScriptName::BrokenGlass => Script::BrokenGlass,
            ScriptName::Halted => Script::Halted,
            ScriptName::Guilty => Script::Guilty,
            ScriptName::Train => Script::Train,
            ScriptName::Signatures => Script::Signatures,
            ScriptName::Ab => Script::Ab,
            ScriptName::Regions => Script::Regions,
        }
    }
}

/// How many releases.
#[derive(Debug, Args)]
struct CorpusArgs {
    /// Faulty releases, and as many healthy ones
    #[arg(long, default_value_t = 200)]
    each: usize,
    /// Seed of everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What a corpus must reach.
const PRECISION: f64 = 0.95;
const RECALL: f64 = 0.99;

/// Seeds between two looks at the progress.
const SEEDS_AT_ONCE: u64 = 1_000;
/// Broken seeds that are named to people; with `--json`, all are.
const BROKEN_SHOWN: usize = 20;

/// Carries it out.
pub fn sim(context: &Context, args: &SimArgs) -> Result<u8> {
    match &args.command {
        Some(SimCommand::Judges(args)) => return judges::judges(context, args),
        Some(SimCommand::Corpus(args)) => return corpus(context, args),
        Some(SimCommand::Explore { depth }) => return explored(context, *depth),
        Some(SimCommand::Seeds { count, from }) => return seeds(context, *from, *count),
        Some(SimCommand::Story { script }) => return told(context, &play(script.script())),
        None => {}
    }
    told(context, &tidegate_sim::run(args.seed, None))
}

/// 1 where a rule was broken.
fn seeds(context: &Context, from: u64, count: u64) -> Result<u8> {
    let progress = Progress::new(context.json);
    let (mut ends, mut broken, mut lasted_ms) = (BTreeMap::<String, u64>::new(), vec![], 0);
    let end = from.saturating_add(count);
    let mut next = from;
    while next < end {
        progress.now(&format!("{} of {count} seeds", next - from));
        let some: Vec<u64> = (next..end.min(next.saturating_add(SEEDS_AT_ONCE))).collect();
        next = end.min(next.saturating_add(SEEDS_AT_ONCE));
        // The stories themselves are not kept: each can be had again by its seed.
        let told = |seed: &u64| {
            let story = tidegate_sim::run(*seed, None);
            (*seed, story.outcome, story.lasted_ms, story.violations.first().map(|v| format!("{}: {}", v.rule, v.found)))
        };
        for (seed, outcome, ms, violation) in in_parallel(&some, told, |_| {}) {
            // Where it ended, without the number of the attempt.
            let (outcome, _) = outcome.split_once(" in attempt").unwrap_or((&outcome, ""));
            *ends.entry(outcome.to_owned()).or_default() += 1;
            lasted_ms += ms;
            broken.extend(violation.map(|v| (seed, v)));
        }
    }
    progress.clear();
    if context.json {
        show::json(&serde_json::json!({ "seeds": count, "ends": ends, "simulated_ms": lasted_ms, "broken": broken }))?;
    } else {
        let rows: Vec<Vec<String>> = ends.iter().map(|(outcome, n)| vec![outcome.clone(), n.to_string()]).collect();
        show::line(&show::table(&["end", "seeds"], rows))?;
        let shown = |(seed, v): &(u64, String)| show::line(&format!("BROKEN with `tidegate sim --seed {seed}`: {v}"));
        broken.iter().take(BROKEN_SHOWN).try_for_each(shown)?;
        let days = lasted_ms as f64 / 86_400_000.0;
        show::line(&format!("{count} seeds, {days:.0} simulated days: {} broke a rule", broken.len()))?;
    }
    // None at all shows nothing.
    Ok(if broken.is_empty() && count > 0 { exit::OK } else { exit::NOT_PASSED })
}

/// 1 where a rule was broken.
fn told(context: &Context, story: &Story) -> Result<u8> {
    if context.json {
        show::json(
            &serde_json::json!({ "seed": story.seed, "sound": story.violations.is_empty(), "violations": story.violations.iter().map(|v| format!("{}: {}", v.rule, v.found)).collect::<Vec<_>>(), "story": story.lines }),
        )?;
    } else {
        show::line(story.to_string().trim_end())?;
    }
    Ok(if story.violations.is_empty() { exit::OK } else { exit::NOT_PASSED })
}

/// 1 where a rule was broken.
fn explored(context: &Context, depth: usize) -> Result<u8> {
    let found = explore(depth);
    if context.json {
        show::json(&found)?;
    } else {
        let phases: Vec<Vec<String>> = found.phases.iter().map(|(phase, states)| vec![phase.clone(), states.to_string()]).collect();
        show::line(&show::table(&["phase", "states"], phases))?;
        let end = if found.cut { ", and there are more: the bound of states was reached" } else { "" };
        show::line(&format!("up to {} commands in a row: {} states, {} steps{end}", found.depth, found.states, found.steps))?;
        found.broken.iter().try_for_each(|broken| show::line(&format!("BROKEN {broken}")))?;
        show::line(&format!("{} rules broken", found.broken.len()))?;
    }
    Ok(if found.broken.is_empty() { exit::OK } else { exit::NOT_PASSED })
}

/// 1 where fewer alarms are right than 95 of 100, or fewer faults found than 99 of 100.
fn corpus(context: &Context, args: &CorpusArgs) -> Result<u8> {
    let progress = Progress::new(context.json);
    let all: Vec<(usize, Truth)> = truths(args.each).into_iter().enumerate().collect();
    let told = |done: usize| progress.now(&format!("{done} of {} releases", all.len()));
    let outcomes = in_parallel(&all, |(number, truth)| release(*truth, args.seed, *number), told);
    progress.clear();
    let corpus = Corpus::of(outcomes);
    if context.json {
        show::json(&corpus)?;
    } else {
        corpus_table(&corpus)?;
    }
    Ok(if corpus.precision >= PRECISION && corpus.recall >= RECALL { exit::OK } else { exit::NOT_PASSED })
}

/// A row a kind, then every release that did not end as its truth would have it.
fn corpus_table(corpus: &Corpus) -> Result<()> {
    let mut kinds: Vec<Truth> = corpus.outcomes.iter().map(|o| o.truth).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let rows = kinds.iter().map(|kind| {
        let of: Vec<&Outcome> = corpus.outcomes.iter().filter(|o| o.truth == *kind).collect();
        let count = |which: &dyn Fn(&Outcome) -> bool| of.iter().filter(|o| which(o)).count().to_string();
        let mut minutes: Vec<f64> = of.iter().map(|o| o.minutes).collect();
        minutes.sort_by(f64::total_cmp);
        let median = minutes.get(minutes.len() / 2).map_or_else(String::new, |m| format!("{m:.0}"));
        vec![format!("{kind:?}"), of.len().to_string(), count(&|o| o.alarm), count(&|o| o.released), median]
    });
    show::line(&show::table(&["release", "of them", "alarms", "released", "minutes, median"], rows.collect()))?;
    for o in corpus.outcomes.iter().filter(|o| o.alarm != matches!(o.truth, Truth::Faulty(_)) || (!o.alarm && !o.released)) {
        show::line(&format!(
            "{:?}, {} requests a minute, seed {}: {} after {:.0} minutes: {}",
            o.truth, o.per_minute, o.seed, o.ended, o.minutes, o.said
        ))?;
    }
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    show::line(&format!(
        "precision {}, recall {}, healthy releases that went through {}",
        percent(corpus.precision),
        percent(corpus.recall),
        percent(corpus.released)
    ))
}

/// `one` of each item, on all cores, in their order; `told` hears how many are done.
pub(super) fn in_parallel<T: Sync, R: Send>(all: &[T], one: impl Fn(&T) -> R + Sync, told: impl Fn(usize) + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(all.len())));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((at, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, all.get(at)?))) {
                    let result = one(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, result));
                        told(done.len());
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
