//! `tidegate events`: what other tools told of changes; how delivery goes, measured from it.

use super::Context;
use super::people::part;
use crate::client;
use crate::clock;
use crate::daemon::retention;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::deliveries::{self, event, rows};
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;
use tidegate_core::delivery::{Event, Interval, Measures, Span, measures, of_environment};
use tidegate_core::id::At;
use tidegate_store::{DeliveryFilter, DeliveryRow, Lake};
use tidegate_wire::config::unit::{duration_ms, instant_ms};
use tidegate_wire::delivery::BODY_BYTES_MAX;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Shows the newest events, or what was kept aside and why
    List(ListArgs),
    /// Deployments a day, lead time, change failure rate and time to restore, with intervals
    Measures(MeasuresArgs),
    /// Takes events in from a file: a message of the tool in each line, as JSON
    Import(ImportArgs),
    /// Removes what came in longer ago than `keep` of its source says; the daemon does it once a day
    Prune(PruneArgs),
}

/// What is removed.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Shows what would be removed, and removes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which events are shown.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Of this source of `events`
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What was kept aside, and why
    #[arg(long)]
    aside: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// What is measured.
#[derive(Debug, Args)]
pub struct MeasuresArgs {
    /// Of this service; of each one when not given
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// A team and its services, as `payments=checkout,ledger`: they are measured together; may be given again
    #[arg(long = "team", value_name = "TEAM=SERVICE,..", value_parser = team, conflicts_with = "service")]
    teams: Vec<Team>,
    /// Deployments to this environment alone; to all when not given
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// From this time on, as 2026-03-01 or 2026-03-01T12:00:00Z; 90 days before the end when not given
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to this time; now when not given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Measured before this time and from then on, side by side: a policy's beginning
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// A rollback or an incident so long after a deployment is its failure
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    failure_within: String,
}

/// A team's name, and its services.
type Team = (String, BTreeSet<String>);

fn team(text: &str) -> Result<Team, String> {
    let parts = text.split_once('=').map(|(name, services)| (name, services.split(',').map(str::to_owned).collect::<BTreeSet<_>>()));
    let whole = |(name, services): &(&str, BTreeSet<String>)| !name.is_empty() && services.iter().all(|service| !service.is_empty());
    parts.filter(whole).map(|(name, services)| (name.to_owned(), services)).ok_or_else(|| "write TEAM=SERVICE,SERVICE".to_owned())
}

/// What is taken in.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Source of `events`
    source: String,
    /// File with a message in each line
    file: PathBuf,
    /// What the tool's header says that the messages are, as `pull_request` of GitHub
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
}

/// How far back is measured where nothing is said, in milliseconds.
const MEASURED_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Confidence of intervals.
const CONFIDENCE: f64 = 0.95;

/// Carries it out.
pub fn events(context: &Context, command: &EventsCommand) -> Result<u8> {
    match command {
        EventsCommand::List(args) => list(context, args),
        EventsCommand::Measures(args) => measured(context, args),
        EventsCommand::Import(args) => import(context, args),
        EventsCommand::Prune(args) => prune(context, args),
    }
}

fn list(context: &Context, args: &ListArgs) -> Result<u8> {
    let filter = DeliveryFilter { source: args.source.clone(), ..DeliveryFilter::default() };
    let mut rows = rows(&workspace::places(&context.dir)?, &filter)?;
    rows.retain(|row| row.aside.is_empty() != args.aside);
    let shown = rows.split_off(rows.len().saturating_sub(args.limit as usize));
    if context.json {
        let all = shown.iter().map(|row| {
            let (came_ms, source) = (row.at.0, &row.source);
            Ok(match args.aside {
                true => json!({ "source": source, "came_ms": came_ms, "id": row.id, "why": row.aside }),
                false => json!({ "source": source, "came_ms": came_ms, "event": event(row)? }),
            })
        });
        show::json(&all.collect::<Result<Vec<Value>>>()?)?;
        return Ok(exit::OK);
    }
    if shown.is_empty() {
        show::line(if args.aside { "nothing was kept aside" } else { "no events: `events` of tidegate.yaml names who tells them" })?;
        return Ok(exit::OK);
    }
    let lines = shown.iter().map(|row| match args.aside {
        true => Ok(vec![row.at.to_string(), row.source.clone(), row.aside.clone(), row.id.clone()]),
        false => line(row, &event(row)?),
    });
    let heads: &[&str] = if args.aside { &["Came", "Source", "Why", "Digest"] } else { &["When", "Source", "What", "Of", "Id"] };
    show::line(&show::table(heads, lines.collect::<Result<Vec<_>>>()?))?;
    Ok(exit::OK)
}

fn line(row: &DeliveryRow, event: &Event) -> Result<Vec<String>> {
    let what = serde_json::to_value(event.what)?;
    let word = |name: &str| what[name].as_str().unwrap_or_default().replace('_', " ");
    let more = [word("outcome"), word("trigger")].into_iter().find(|more| !more.is_empty());
    let what = more.map_or_else(|| word("what"), |more| format!("{}: {more}", word("what")));
    let of = &event.subject;
    let change = of.change.map(|number| format!("#{number}"));
    let parts = [of.service.clone(), of.repository.clone(), change, of.environment.clone(), of.incident.clone(), of.revision.clone()];
    let of: Vec<String> = parts.into_iter().flatten().collect();
    Ok(vec![At(event.at_ms).to_string(), row.source.clone(), what, of.join(" "), event.id.clone()])
}

/// Measures of one stretch of time.
#[derive(Serialize)]
struct Stretch {
    from_ms: i64,
    until_ms: i64,
    services: BTreeMap<String, Measures>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    teams: BTreeMap<String, Measures>,
}

fn measured(context: &Context, args: &MeasuresArgs) -> Result<u8> {
    let what = "measure delivery";
    let begins = |text: &Option<String>, option| begins(what, text, option);
    let until_ms = time(what, &args.until, "--until")?.unwrap_or_else(|| clock::now().0);
    let from_ms = begins(&args.from, "--from")?.unwrap_or_else(|| until_ms.saturating_sub(MEASURED_MS));
    let since = begins(&args.since, "--since")?;
    if from_ms >= until_ms || since.is_some_and(|since| !(from_ms < since && since < until_ms)) {
        return Err(failure(exit::USAGE, format!("{what}: the times must follow one another: --from, --since, --until")));
    }
    let within = duration_ms(&args.failure_within).map_err(|why| failure(exit::USAGE, format!("{what}: --failure-within: {why}")))?;
    let failure_within_ms = i64::try_from(within).unwrap_or(i64::MAX);
    let events = deliveries::events(&workspace::places(&context.dir)?)?;
    let kept = match &args.environment {
        Some(environment) => of_environment(&events, environment),
        None => events.iter().collect(),
    };
    let mut of: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    let services = services(&events);
    for event in kept {
        let subject = &event.subject;
        let by_repository =
            || subject.repository.as_ref().map(|name| services.get(&name).map_or_else(|| name.clone(), |service| (*service).clone()));
        let name = subject.service.clone().or_else(by_repository).unwrap_or_default();
        if args.service.as_ref().is_none_or(|wanted| *wanted == name) {
            of.entry(name).or_default().push(event);
        }
    }
    if let Some((team, service)) =
        args.teams.iter().find_map(|(team, all)| all.iter().find(|name| !of.contains_key(*name)).map(|name| (team, name)))
    {
        return Err(failure(exit::NOT_FOUND, format!("{what}: --team {team}: no event of a service `{service}` is known")));
    }
    let stretch = |from_ms, until_ms| {
        let one = |events: &[&Event]| {
            // Before anybody told anything, nothing is known: that is not nothing.
            let first = events.iter().map(|event| event.at_ms).min().unwrap_or(from_ms);
            let span = Span { from_ms: first.clamp(from_ms, until_ms), until_ms, failure_within_ms, confidence: CONFIDENCE };
            measures(events.iter().copied(), span)
        };
        let together =
            |services: &BTreeSet<String>| -> Vec<&Event> { services.iter().filter_map(|name| of.get(name)).flatten().copied().collect() };
        Stretch {
            from_ms,
            until_ms,
            services: of.iter().map(|(name, events)| (name.clone(), one(events))).collect(),
            teams: args.teams.iter().map(|(team, services)| (team.clone(), one(&together(services)))).collect(),
        }
    };
    let stretches = match since {
        Some(since) => vec![stretch(from_ms, since), stretch(since, until_ms)],
        None => vec![stretch(from_ms, until_ms)],
    };
    if context.json {
        show::json(&stretches)?;
        return Ok(exit::OK);
    }
    for stretch in &stretches {
        show::line(&style::strong(&format!("{} to {}", At(stretch.from_ms), At(stretch.until_ms))))?;
        if stretch.services.is_empty() {
            show::line("no events: nothing is measured")?;
        }
        for (name, measures) in &stretch.services {
            show::line(&table(name, measures))?;
        }
        for (name, measures) in &stretch.teams {
            show::line(&table(&format!("team {name}"), measures))?;
        }
    }
    Ok(exit::OK)
}

/// The service of each repository that some event names together with one, and none together with two.
fn services(events: &[Event]) -> BTreeMap<&String, &String> {
    let mut of: BTreeMap<&String, Option<&String>> = BTreeMap::new();
    for subject in events.iter().map(|event| &event.subject) {
        if let (Some(repository), Some(service)) = (&subject.repository, &subject.service) {
            of.entry(repository).and_modify(|known| *known = known.filter(|known| *known == service)).or_insert(Some(service));
        }
    }
    of.into_iter().filter_map(|(repository, service)| Some((repository, service?))).collect()
}

/// An instant from which on something is meant: a day that it begins with is whole, as is one that it ends with.
pub(super) fn begins(what: &str, text: &Option<String>, option: &str) -> Result<Option<i64>> {
    Ok(time(what, text, option)?.map(|ms| if text.as_deref().is_some_and(dated) { ms - DAY_MS } else { ms }))
}

/// An instant that was given; a day is its end.
fn time(what: &str, text: &Option<String>, option: &str) -> Result<Option<i64>> {
    let wrong = || failure(exit::USAGE, format!("{what}: {option}: write a day as 2026-03-01, or an instant as 2026-03-01T12:00:00Z"));
    let read = |text: &String| {
        if dated(text) || text.parse::<jiff::Timestamp>().is_ok() { instant_ms(text).map_err(|_| wrong()) } else { Err(wrong()) }
    };
    text.as_ref().map(read).transpose()
}

/// Whether a day is meant, and no instant of it.
fn dated(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn table(name: &str, measures: &Measures) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let row = |what: &str, of: Interval| {
        vec![what.to_owned(), number(of.value), format!("{} to {}", number(of.low), number(of.high)), of.n.to_string()]
    };
    let rows = vec![
        row("deployments a day", measures.deployments_a_day),
        row("lead time, hours (median)", measures.lead_time_hours),
        row("change failure rate", measures.change_failure_rate),
        row("time to restore, hours (median)", measures.time_to_restore_hours),
    ];
    let open = if measures.unresolved == 0 { String::new() } else { format!("\n{} incidents are not resolved", measures.unresolved) };
    let back = measures.rollbacks.words().into_iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", ");
    let back = if back.is_empty() { back } else { format!("\nrollbacks: {back}") };
    format!(
        "{}\n{}{open}{back}",
        style::strong(if name.is_empty() { "of nothing that was named" } else { name }),
        show::table(&["", "", "95 %", "Of"], rows)
    )
}

fn import(context: &Context, args: &ImportArgs) -> Result<u8> {
    let what = format!("take events of `{}` in", args.source);
    let places = workspace::places(&context.dir)?;
    let path = context.dir.join(&args.file);
    let file = std::fs::File::open(&path).map_err(|why| failure(exit::NOT_FOUND, format!("{what}: open {}: {why}", path.display())))?;
    let query = args.kind.as_deref().map(part).transpose()?.map_or_else(String::new, |kind| format!("?kind={kind}"));
    let to = format!("/api/v1/events/{}{query}", part(&args.source)?);
    let progress = Progress::new(context.json);
    let (mut taken, mut known, mut nothing, mut aside) = (0_u64, 0_u64, 0_u64, vec![]);
    let mut reader = BufReader::new(file);
    for number in 1_u64.. {
        let mut line = Vec::new();
        // One byte more than may be, so that a longer line is seen.
        let read = (&mut reader)
            .take(BODY_BYTES_MAX as u64 + 2)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("read {}", path.display()))?;
        if read == 0 {
            break;
        }
        if line.len() > BODY_BYTES_MAX + 1 {
            let why = format!(
                "{what}: {}, line {number}: it is longer than {BODY_BYTES_MAX} bytes; {taken} before it were taken",
                args.file.display()
            );
            return Err(failure(exit::USAGE, why));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = format!("{}, line {number}", args.file.display());
        let body: Value = serde_json::from_slice(&line)
            .map_err(|why| failure(exit::USAGE, format!("{what}: {place} is no JSON: {why}; {taken} before it were taken")))?;
        let answer = client::ask(&places, &format!("{what}: {place}"), Method::POST, &to, Some(&body))?;
        match answer["answer"].as_str() {
            Some("taken") => {
                let new = answer["events"].as_array().is_some_and(|events| events.iter().any(|event| event["new"] == true));
                *(if new { &mut taken } else { &mut known }) += 1;
            }
            Some("kept aside") => aside.push(json!({ "line": number, "why": answer["why"] })),
            _ => nothing += 1,
        }
        progress.now(&format!("{number} messages"));
    }
    progress.clear();
    if context.json {
        show::json(&json!({ "taken": taken, "known": known, "nothing_kept": nothing, "aside": aside }))?;
    } else {
        show::line(&format!("{taken} were taken, {known} were known, of {nothing} nothing is kept, {} were kept aside", aside.len()))?;
        for one in aside.iter().take(10) {
            show::note(&format!("line {}: {}", one["line"], one["why"].as_str().unwrap_or_default()));
        }
    }
    Ok(if aside.is_empty() { exit::OK } else { exit::NOT_PASSED })
}

fn prune(context: &Context, args: &PruneArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let places = &opened.places;
    let due = match args.dry_run {
        true if !places.lake().is_dir() => json!([]),
        true => serde_json::to_value(retention::due(&opened.config, &Lake::open_read_only(&places.lake())?, clock::now())?)?,
        false => client::ask(places, "remove old events", Method::POST, "/api/v1/retention", None)?,
    };
    if context.json {
        show::json(&due)?;
        return Ok(exit::OK);
    }
    let verb = if args.dry_run { "would be" } else { "were" };
    let all = due.as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        show::line("no source says how long its events are kept: give it `keep`")?;
    }
    for one in all {
        let before = At(one["before_ms"].as_i64().unwrap_or_default());
        show::line(&format!("{}: {} from before {before} {verb} removed", one["source"].as_str().unwrap_or_default(), one["rows"]))?;
    }
    Ok(exit::OK)
}
