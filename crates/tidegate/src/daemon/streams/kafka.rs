//! A topic of Kafka, all partitions at once, each in its order. How far each was read is a file beside the lake.

use super::{Retry, Taker};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_adapters::kafka::{Given, Login, Partition, Topic};
use tidegate_port::Failure;
use tidegate_store::disk;
use tidegate_wire::config::KafkaTopic;
use tidegate_wire::kafka::records::Entry;
use tokio::task::JoinSet;

/// How often it is asked which partitions there are, and where.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// Longest file of a position, in bytes.
const POSITION_BYTES_MAX: u64 = 4_096;

/// So often it is looked whether what was read last is still there, where a broker gives nothing: a new leader may be behind for a moment.
const LOOKS_MAX: u32 = 5;

/// How far a partition was read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    topic: String,
    next: i64,
    /// Digest of the record before it, by which a topic that was made anew is told from the one that was read; empty where it was none.
    seen: String,
}

/// What failed, so that it is said once; and why.
type Failed = (String, anyhow::Error);

/// Reads it for as long as this process lives.
pub(super) async fn follow(taker: Arc<Taker>, topic: KafkaTopic) {
    let mut retry = Retry::default();
    loop {
        match read(&taker, &topic).await {
            Ok(()) => retry = Retry::default(),
            Err((part, why)) => {
                // What went well until now is tried again at once.
                if taker.fails(&part, &format!("{why:#}")) {
                    retry = Retry::default();
                }
                retry.wait().await;
            }
        }
    }
}

/// Reads all partitions until one fails, or it is time to see which ones there are.
async fn read(taker: &Arc<Taker>, topic: &KafkaTopic) -> Result<(), Failed> {
    let failed = |why: Failure| ("topic".to_owned(), why.into());
    let topic = opened(taker, topic).map_err(failed)?;
    let partitions = topic.partitions().await.map_err(failed)?;
    taker.works("topic");
    let (mut reading, mut without) = (JoinSet::new(), vec![]);
    for (partition, leader) in partitions {
        match leader {
            Some(leader) => {
                let (taker, topic) = (taker.clone(), topic.clone());
                let one = async move { read_partition(&taker, &topic, partition, &leader).await.map_err(|why| (part(partition), why)) };
                reading.spawn(one);
            }
            None => without.push(partition.to_string()),
        }
    }
    let leaders = (!without.is_empty()).then(|| format!("partitions {} of topic {} have no leader now", without.join(", "), topic.name));
    if let (Some(why), true) = (&leaders, reading.is_empty()) {
        return Err(("leaders".to_owned(), anyhow::anyhow!("{why}")));
    }
    match leaders {
        Some(why) => {
            taker.fails("leaders", &why);
        }
        None => taker.works("leaders"),
    }
    match tokio::time::timeout(LOOK_AGAIN, reading.join_next()).await {
        Err(_) | Ok(None) => Ok(()),
        Ok(Some(Ok(ended))) => ended,
        Ok(Some(Err(why))) => Err(("topic".to_owned(), why.into())),
    }
}

fn part(partition: i32) -> String {
    format!("partition {partition}")
}

async fn read_partition(taker: &Taker, topic: &Topic, partition: i32, leader: &str) -> anyhow::Result<()> {
    let place = taker.api.opened.places.streams().join(format!("{}-{partition}.json", taker.name));
    let mut at = topic.partition(partition, leader).await?;
    let mut next = match position(&place, &topic.name)? {
        Some(known) => go_on(taker, &mut at, &known, partition).await?,
        None => at.ends().await?.0,
    };
    loop {
        let mut seen = String::new();
        match at.fetch(next).await? {
            Given::Records(entries) => {
                taker.works(&part(partition));
                if entries.is_empty() {
                    continue;
                }
                for entry in entries {
                    seen = digest(&entry);
                    next = take(taker, &topic.name, partition, entry).await;
                }
                taker.settle().await;
            }
            Given::Elsewhere { earliest, .. } => next = moved(taker, &topic.name, partition, next, earliest),
        }
        keep(&place, &Position { topic: topic.name.clone(), next, seen }).await?;
    }
}

/// Where it goes on: where it was, if what was read last is still there, and at the first record otherwise. Not by how long the partition is
/// said to be: that may be behind for a moment.
async fn go_on(taker: &Taker, at: &mut Partition, known: &Position, partition: i32) -> anyhow::Result<i64> {
    let (earliest, _) = at.ends().await?;
    if known.next <= earliest {
        return Ok(if known.next == earliest { earliest } else { moved(taker, &known.topic, partition, known.next, earliest) });
    }
    if known.seen.is_empty() {
        return Ok(known.next);
    }
    let last = known.next - 1;
    for _ in 0..LOOKS_MAX {
        let Given::Records(entries) = at.fetch(last).await? else { break };
        let Some(first) = entries.first() else { continue };
        if matches!(first, Entry::Record { at, .. } if *at == last) && digest(first) != known.seen {
            break;
        }
        return Ok(known.next);
    }
    Ok(moved(taker, &known.topic, partition, known.next, earliest))
}

/// What a record is told from others by; nothing of what is none.
fn digest(entry: &Entry) -> String {
    match entry {
        Entry::Record { value, .. } => hex::encode(Sha256::digest(value.as_deref().unwrap_or_default())),
        Entry::Unread { .. } | Entry::Nothing { .. } => String::new(),
    }
}

/// Where it goes on where a position is not there: at the first record that is.
fn moved(taker: &Taker, topic: &str, partition: i32, next: i64, earliest: i64) -> i64 {
    let of = format!("events of {}: partition {partition} of topic {topic}", taker.name);
    taker.api.bus.trouble(&if next < earliest {
        format!("{of}: records {next} to {} were removed before they were read", earliest - 1)
    } else {
        format!("{of}: it is another one than was read up to {next}, and is read from its beginning")
    });
    earliest
}

/// Takes what lies at a position; the one behind it.
async fn take(taker: &Taker, topic: &str, partition: i32, entry: Entry) -> i64 {
    let next = entry.next();
    match entry {
        Entry::Record { headers, value: Some(value), .. } => taker.take(&headers, &value).await,
        Entry::Unread { at, why, .. } => taker.aside(why, &format!("kafka/{topic}/{partition}/{at}")).await,
        Entry::Record { value: None, .. } | Entry::Nothing { .. } => {}
    }
    next
}

/// How far a partition was read; none where it is another topic's, or nothing was.
fn position(place: &Path, topic: &str) -> anyhow::Result<Option<Position>> {
    let Some(bytes) = disk::read_if_there(place, POSITION_BYTES_MAX)? else { return Ok(None) };
    let read: Position = serde_json::from_slice(&bytes).with_context(|| {
        format!("read {}: remove it, and the topic is read from its beginning; what is known stays so", place.display())
    })?;
    Ok(Some(read).filter(|read| read.topic == topic))
}

async fn keep(place: &Path, position: &Position) -> anyhow::Result<()> {
    let (place, bytes): (PathBuf, _) = (place.to_owned(), serde_json::to_vec(position)?);
    Ok(tokio::task::spawn_blocking(move || disk::replace_file(&place, &bytes)).await??)
}

fn opened(taker: &Taker, topic: &KafkaTopic) -> Result<Topic, Failure> {
    let login = match &topic.sasl {
        Some(sasl) => Some(Login { mechanism: sasl.mechanism, login: sasl.login.clone(), password: taker.secret(&sasl.password)? }),
        None => None,
    };
    Ok(Topic { brokers: topic.brokers.clone(), name: topic.topic.clone(), tls: topic.tls, login })
}
