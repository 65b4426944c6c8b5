//! Storms of happenings, and how few messages become of them.

use super::*;
use crate::id::At;

const LIMITS: Limits = Limits { most: 3, within_ms: 60_000 };

fn item(position: u64, at: i64, topic: Topic, text: &str) -> Item {
    Item { position, at: At(at), topic, service: Some("pay".to_owned()), subject: "pay/2".to_owned(), text: text.to_owned() }
}

#[test]
fn what_happens_at_once_is_one_message() {
    let storm = Storm::default();
    assert_eq!(storm.turn(LIMITS, &[], At(0)), Turn::Rest);
    let one = [item(1, 1_000, Topic::Held, "held")];
    assert_eq!(storm.turn(LIMITS, &one, At(1_500)), Turn::Wait { until: At(3_000) });
    assert_eq!(storm.turn(LIMITS, &one, At(3_000)), Turn::Send);
    assert_eq!(storm.turn(LIMITS, &one, At(500)), Turn::Send, "after a clock jumped back nothing waits for it");
    let many: Vec<Item> = (0..10).map(|n| item(n, 1_000, Topic::Held, &format!("held {n}"))).collect();
    assert_eq!(storm.turn(LIMITS, &many, At(1_001)), Turn::Send, "a full message waits for no others");
}

#[test]
fn there_are_only_so_many_messages_and_a_page_waits_for_no_chatter() {
    let mut storm = Storm::default();
    let held = [item(1, 0, Topic::Held, "held")];
    for at in [10_000, 20_000, 30_000] {
        assert_eq!(storm.turn(LIMITS, &held, At(at)), Turn::Send);
        storm.sent(LIMITS, &held, At(at));
    }
    assert_eq!(storm.turn(LIMITS, &held, At(40_000)), Turn::Wait { until: At(70_000) });
    let paged = [held[0].clone(), item(2, 0, Topic::Page, "a person is called")];
    assert_eq!(storm.turn(LIMITS, &paged, At(40_000)), Turn::Send);
    assert_eq!(storm.turn(LIMITS, &held, At(70_000)), Turn::Send, "the oldest is long ago");
    for at in [40_000, 41_000, 42_000] {
        storm.sent(LIMITS, &paged, At(at));
    }
    assert_eq!(storm.turn(LIMITS, &paged, At(43_000)), Turn::Wait { until: At(100_000) }, "pages are many too, at last");
    assert_eq!(storm.turn(LIMITS, &paged, At(39_000)), Turn::Send, "what was sent in a time to come counts for nothing");
}

#[test]
fn pages_come_first_and_what_is_left_out_is_counted() {
    let mut items: Vec<Item> = (0..12).map(|n| item(n, 0, Topic::Held, &format!("held {n}"))).collect();
    items.push(item(12, 0, Topic::Held, "held 3"));
    items.push(item(13, 0, Topic::RolledBack, "rolled back"));
    items.push(item(14, 0, Topic::Page, "a person is called"));
    let lines = listed(&items);
    assert_eq!(lines.len(), LISTED_MAX + 1);
    assert_eq!(lines[0], "pay/2: a person is called");
    assert_eq!(lines[4], "pay/2: held 3 (2 times)");
    assert_eq!(lines[10], "and 4 more: 3 held, 1 rolled_back");
}

#[test]
fn attempts_come_less_and_less_often() {
    let pauses: Vec<u64> = [1, 2, 3, 8, 9, 10, 64, u32::MAX].into_iter().map(|n| pause_ms(n) / 1_000).collect();
    assert_eq!(pauses, [1, 2, 4, 128, 256, 300, 300, 300]);
    assert_eq!(pause_ms(0), 1_000);
}

#[test]
fn topics_are_found_by_their_names() {
    for topic in Topic::ALL {
        assert_eq!(Topic::named(topic.name()), Some(topic));
        assert_eq!(serde_json::to_value(topic).unwrap(), topic.name());
    }
    assert_eq!(Topic::named("pages"), None);
}
