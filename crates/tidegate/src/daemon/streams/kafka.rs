//! A topic of Kafka, all partitions at once, each in its order. How far each was read is a file beside the lake.

use super::{Retry, Taker};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_adapters::kafka::{Given, Login, Topic};
use tidegate_port::Failure;
use tidegate_store::disk;
use tidegate_wire::config::KafkaTopic;
use tidegate_wire::kafka::records::Entry;
use tokio::task::JoinSet;

/// How often it is asked which partitions there are, and where.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// Longest file of a position, in bytes.
const POSITION_BYTES_MAX: u64 = 4_096;

/// How far a partition was read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    topic: String,
    next: i64,
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
    let (earliest, latest) = at.ends().await?;
    let mut next = match position(&place, &topic.name)? {
        Some(next) if (earliest..=latest).contains(&next) => next,
        // A broker may also wait for a position that is not there: it is seen here.
        Some(next) => {
            let next = moved(taker, &topic.name, partition, next, (earliest, latest));
            keep(&place, &Position { topic: topic.name.clone(), next }).await?;
            next
        }
        None => earliest,
    };
    loop {
        match at.fetch(next).await? {
            Given::Records(entries) => {
                taker.works(&part(partition));
                if entries.is_empty() {
                    continue;
                }
                for entry in entries {
                    next = take(taker, &topic.name, partition, entry).await;
                }
                taker.settle().await;
            }
            Given::Elsewhere { earliest, latest } => next = moved(taker, &topic.name, partition, next, (earliest, latest)),
        }
        keep(&place, &Position { topic: topic.name.clone(), next }).await?;
    }
}

/// Where it goes on where a position is not there: at the first record that is.
fn moved(taker: &Taker, topic: &str, partition: i32, next: i64, (earliest, latest): (i64, i64)) -> i64 {
    let of = format!("events of {}: partition {partition} of topic {topic}", taker.name);
    taker.api.bus.trouble(&if next < earliest {
        format!("{of}: records {next} to {} were removed before they were read", earliest - 1)
    } else {
        format!("{of}: it ends at {latest}, and was read up to {next}: it is another one, and is read from its beginning")
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
fn position(place: &Path, topic: &str) -> anyhow::Result<Option<i64>> {
    let Some(bytes) = disk::read_if_there(place, POSITION_BYTES_MAX)? else { return Ok(None) };
    let read: Position = serde_json::from_slice(&bytes).with_context(|| {
        format!("read {}: remove it, and the topic is read from its beginning; what is known stays so", place.display())
    })?;
    Ok((read.topic == topic).then_some(read.next))
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
