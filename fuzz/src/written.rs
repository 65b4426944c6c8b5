//! What else people and tools write: the first byte of an input says whose reader gets it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use tidegate_serve::remote::{Address, RemoteModel};
use tidegate_wire::contract::{self, SuiteOptions};
use tidegate_wire::prometheus::{Grid, LatencyUnit};
use tidegate_wire::{
    batches, config, delivery, dvc, foreign, gateway_api, gitops, ical, junit, kafka, kserve, kubernetes, nats, order, prometheus, record,
    requests, samples, sarif, scenario, sources, transform, yaml,
};

/// Every reader of text.
const TEXTS: &[fn(&str)] = &[
    |text| drop(yaml::parse(text)),
    |text| drop(scenario::load(text, "scenario.yaml")),
    |text| drop(transform::load(text, "transform.yaml")),
    |text| drop(contract::parse("contract.yaml", text, &SuiteOptions::default())),
    |text| drop(contract::row_condition(text)),
    |text| drop(foreign::import::import("rollout.yaml", text)),
    calendar,
    rule,
    |text| drop(dvc::parse_pipeline("dvc.yaml", text, dvc::Options::default(), &mut |_| Ok(Some("a: 1\nb: [x, {y: 2}]\n".to_owned())))),
    |text| drop(dvc::LockFile::parse("dvc.lock", text).map(|lock| lock.render())),
    |text| drop(["p.yaml", "p.json", "p.toml", "p.py"].map(|file| dvc::parse_params(file, text))),
    |text| drop(["p.yaml", "p.json", "p.toml", "p.py"].map(|file| dvc::set_param(file, text, "a.b", "[1, 2]"))),
    |text| drop(dvc::tracked::DvcFile::parse("a.dvc", text).map(|file| (file.outs(), file.deps(), file.render()))),
    |text| drop(dvc::config::DvcConfig::parse("config", text)),
    |text| drop(gitops::value(text, "/spec/template/containers/0/image")),
    |text| drop(samples::counts("counts.csv", text)),
    |text| drop(samples::series("series.csv", text, None)),
    |text| drop(batches::batches("batches.csv", text)),
    |text| drop(requests::requests("requests.csv", text)),
    |text| drop(junit::read(text)),
    |text| drop(sarif::read(text)),
    |text| drop(order::traces("traces.json", text)),
    manifests,
    |text| drop(config::stores_of(text)),
    |text| drop(Address::parse(text)),
    |text| drop((prometheus::narrowed(text, "{a=\"b\"}"), prometheus::labels_of(text), prometheus::unfilled(text))),
];

pub fn text(which: u8, text: &str) {
    if let Some(read) = TEXTS.get(usize::from(which) % TEXTS.len()) {
        read(text);
    }
}

/// A calendar, and its times over two years.
fn calendar(text: &str) {
    /// Periods of rules that are looked at.
    const PERIODS_MAX: usize = 20_000;
    let Ok(events) = ical::events(text.as_bytes(), &TimeZone::UTC) else { return };
    let instant = |s: i64| Timestamp::from_second(s).unwrap_or_default();
    let mut periods = PERIODS_MAX;
    for event in events {
        let _ = event.times(instant(1_767_225_600), instant(1_830_297_600), &mut periods);
    }
}

fn rule(text: &str) {
    let _ = ical::Rule::parse(text);
}

fn manifests(text: &str) {
    let mut reader = order::ManifestReader::default();
    reader.read("all.yaml", text);
    let _ = reader.finish();
}

const GRID: Grid = Grid { start_s: 1_700_000_000, step_s: 15, steps: 40 };

/// Every reader of a value.
const VALUES: &[fn(&Value)] = &[
    |value| {
        let Ok(answer) = prometheus::samples(value, GRID) else { return };
        let _ = prometheus::latencies(&answer.numbers, LatencyUnit::Seconds, GRID);
        let _ = prometheus::native([&answer.histograms, &answer.histograms], LatencyUnit::Seconds, GRID);
        let _ = prometheus::growth(&answer.counters(), GRID.steps);
    },
    |value| drop(sources::influx(value, GRID)),
    |value| drop(sources::datadog(value, GRID)),
    |value| drop(sources::web(value, "/data/0/points", GRID)),
    |value| drop(sources::cloudwatch(value, GRID)),
    |value| drop(sources::graphite(value, GRID)),
    |value| drop(sources::newrelic(value, GRID)),
    |value| drop(foreign::kayenta::rules(value)),
    |value| drop((gateway_api::weights(value, 0, &["a".to_owned(), "b".to_owned()]), gateway_api::only_silent(value))),
    |value| drop((kserve::storage_uri(value).is_some(), kserve::readiness(value), kserve::patch(value, "s3://x", Some(5)))),
    |value| drop((kubernetes::availability(value), kubernetes::version_of(value), kubernetes::template_fits(value))),
];

pub fn json(which: u8, bytes: &[u8]) {
    match which % 8 {
        0 => drop(foreign::kayenta::question(bytes)),
        1 => drop(
            ["deployment_protection_rule", "deployment", "deployment_status", "check_run"]
                .map(|kind| foreign::deployments::github(kind, bytes)),
        ),
        2 => drop(foreign::deployments::gitlab(bytes)),
        3 => {
            if let Ok(read) = record::JournalRecord::decode(bytes) {
                let written = read.encode().expect("what was read can be written");
                record::JournalRecord::decode(&written).expect("what is written can be read");
            }
        }
        4 => {
            if let Ok(read) = RemoteModel::parse(bytes) {
                assert_eq!(RemoteModel::parse(read.to_json().as_bytes()), Ok(read));
            }
        }
        5 => {
            let Some((tool, bytes)) = bytes.split_first() else { return };
            let tool = delivery::Tool::ALL[usize::from(*tool) % delivery::Tool::ALL.len()];
            for kind in ["pull_request", "pull_request_review", "deployment_status", "workflow_run"] {
                let message = delivery::Message { kind: Some(kind), cloud: None, body: bytes, now_ms: 1_772_366_400_000, services: &[] };
                for event in delivery::read(tool, message, &|_| "p".to_owned()).unwrap_or_default() {
                    assert!(event.id.len() < 2_000 && event.at_ms > 0);
                }
            }
        }
        6 => {
            drop((kafka::metadata(bytes), kafka::position(bytes), kafka::authenticated(bytes), kafka::lz4(bytes, 1 << 20)));
            if let Ok(Ok(fetched)) = kafka::fetched(bytes) {
                let unpack = |_, bytes: &[u8]| Ok(bytes.to_vec());
                for entry in kafka::records::entries(&fetched, 0, &unpack) {
                    assert!(entry.next() > 0);
                }
            }
            drop((nats::line(&String::from_utf8_lossy(bytes)), nats::headers(bytes), nats::consumer(bytes)));
        }
        _ => {
            let Some((reader, bytes)) = bytes.split_first() else { return };
            let Ok(value) = serde_json::from_slice(bytes) else { return };
            if let Some(read) = VALUES.get(usize::from(*reader) % VALUES.len()) {
                read(&value);
            }
        }
    }
}
