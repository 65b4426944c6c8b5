//! What is written, whole.

use super::cdevents::{Approvable, Approval, Beside, Released, event, headers};
use super::{Envelope, mail, slack};
use crate::delivery::{Message, Tool};
use expect_test::expect;
use tidegate_core::delivery::{Trigger, What};
use tidegate_core::id::At;
use tidegate_core::notify::{Item, Topic};

fn item(position: u64, topic: Topic, text: &str) -> Item {
    let (service, subject) = (Some("late-arrival".to_owned()), "late-arrival/2".to_owned());
    Item { position, at: At(1_800_000_000_123), topic, service, subject, text: text.to_owned() }
}

#[test]
fn slack_gets_one_text_in_which_nothing_is_markup() {
    let one = slack("shop & co", &[item(7, Topic::Page, "held: <!channel> p95 > 2x\nand more")]);
    expect!["*shop &amp; co* late-arrival/2: held: &lt;!channel&gt; p95 &gt; 2x and more"].assert_eq(one["text"].as_str().unwrap());
    let two = slack("shop", &[item(7, Topic::Held, "held"), item(8, Topic::Page, "a person is called")]);
    expect![[r"
        *shop*
        • late-arrival/2: a person is called
        • late-arrival/2: held"]]
    .assert_eq(two["text"].as_str().unwrap());
    let long = slack("shop", &[item(7, Topic::Held, &"x".repeat(10_000))]);
    assert!(long["text"].as_str().unwrap().chars().count() < 600);
}

#[test]
fn a_mail_has_headers_of_ascii_alone() {
    let to = ["ops@example.org".to_owned(), "night@example.org".to_owned()];
    let items = [item(7, Topic::Page, "held: Bewährung\r\nBcc: all@example.org"), item(9, Topic::Held, "held")];
    let mail = mail("shop", Envelope { from: "tidegate@example.org", to: &to }, &items, At(1_800_000_000_000));
    assert!(mail.is_ascii());
    expect![[r#"
        From: tidegate@example.org
        To: ops@example.org,
         night@example.org
        Subject: =?UTF-8?B?W3Nob3BdIGxhdGUtYXJyaXZhbC8yOiBoZWxkOiBCZXfDpGhydW5nICBCY2M6?=
         =?UTF-8?B?IGFsbEBleGFtcGxlLm9yZyAoYW5kIDEgbW9yZSk=?=
        Date: Fri, 15 Jan 2027 08:00:00 +0000
        Message-ID: <tdg_842add7b70d7_9@tidegate.invalid>
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: base64
        Auto-Submitted: auto-generated

        bGF0ZS1hcnJpdmFsLzI6IGhlbGQ6IEJld8OkaHJ1bmcgIEJjYzogYWxsQGV4YW1wbGUub3JnDQps
        YXRlLWFycml2YWwvMjogaGVsZA0K
    "#]]
    .assert_eq(&mail.replace("\r\n", "\n"));
}

#[test]
fn tools_get_cdevents() {
    let released = Released {
        model: "late arrival".to_owned(),
        candidate: "3".to_owned(),
        stable: Some("2".to_owned()),
        trigger: Some(Trigger::Analysis),
    };
    let back = event("shop 1", &item(41, Topic::RolledBack, "rolled back"), Some(&Beside::Released(released.clone())));
    expect![[r#"
        {
          "context": {
            "specversion": "0.5.1",
            "id": "tdg_13829f9834cb_41",
            "source": "/tidegate/shop%201",
            "type": "dev.cdevents.service.rolledback.0.3.0",
            "timestamp": "2027-01-15T08:00:00.123Z"
          },
          "subject": {
            "id": "late-arrival",
            "source": "/tidegate/shop%201",
            "content": {
              "environment": {
                "id": "shop 1"
              },
              "artifactId": "pkg:generic/late%20arrival@2"
            }
          },
          "customData": {
            "topic": "rolled_back",
            "subject": "late-arrival/2",
            "text": "rolled back",
            "position": 41,
            "trigger": "analysis"
          },
          "customDataContentType": "application/json"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&back).unwrap());
    // What is told can be taken in by another workspace, with what set it off.
    let back = event("shop", &item(41, Topic::RolledBack, "rolled back"), Some(&Beside::Released(released.clone())));
    let told = serde_json::to_vec(&back).unwrap();
    let message = Message { kind: None, cloud: None, body: &told, now_ms: 1_800_000_000_123, services: &[] };
    let taken = crate::delivery::read(Tool::Cdevents, message, &|_| String::new()).unwrap();
    assert_eq!(taken[0].what, What::ServiceRolledBack { trigger: Some(Trigger::Analysis) });
    let page = event("shop", &item(42, Topic::Page, "held"), Some(&Beside::Released(released.clone())));
    assert_eq!(page["customData"].get("trigger"), None);
    assert_eq!(page["context"]["type"], "dev.cdevents.incident.detected.0.3.0");
    assert_eq!(
        (&page["subject"]["id"], &page["subject"]["content"]["service"]["id"]),
        (&"late-arrival/2/page/42".into(), &"late-arrival".into())
    );
    let first = event("shop", &item(43, Topic::Released, "released"), Some(&Beside::Released(Released { stable: None, ..released })));
    assert_eq!(first["context"]["type"], "dev.cdevents.service.deployed.0.3.0");
    let own = regex_of_custom_events();
    for topic in Topic::ALL {
        let kind = event("shop", &item(44, topic, ""), None)["context"]["type"].as_str().unwrap().to_owned();
        assert!(kind.starts_with("dev.cdevents.") || own(&kind), "{kind}");
    }
    let names: Vec<String> = headers(&page).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(names[1..3], [format!("ce-id: {}", page["context"]["id"].as_str().unwrap()), "ce-source: /tidegate/shop".to_owned()]);
}

/// The pattern that the specification gives: `dev.cdeventsx.TOOL-SUBJECT.PREDICATE.0.1.0`.
fn regex_of_custom_events() -> impl Fn(&str) -> bool {
    |kind| {
        let parts: Vec<&str> = kind.split('.').collect();
        let [dev, x, subject, predicate, version @ ..] = parts.as_slice() else { return false };
        let letters = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic());
        let tool = subject.split_once('-').is_some_and(|(tool, subject)| letters(tool) && letters(subject));
        (*dev, *x) == ("dev", "cdeventsx") && tool && letters(predicate) && version.len() == 3
    }
}

#[test]
fn approvals_are_those_of_the_draft() {
    let approval = |by: &str, closes: bool| {
        let (model, version, digest, by) = ("late arrival".to_owned(), "3".to_owned(), "842add7b70d7".to_owned(), by.to_owned());
        Some(Beside::Approval(Approval { of: Approvable::Change { model, version, digest }, by, closes }))
    };
    let told = |topic, by: &str, closes| event("shop 1", &item(7, topic, "x"), approval(by, closes).as_ref());
    let created = told(Topic::Asked, "ada/o", false);
    expect![[r#"
        {
          "context": {
            "specversion": "0.6.0-draft",
            "id": "tdg_13829f9834cb_7",
            "source": "/tidegate/shop%201",
            "type": "dev.cdevents.approval.created.0.1.0",
            "timestamp": "2027-01-15T08:00:00.123Z"
          },
          "subject": {
            "id": "late-arrival/3/842add7b70d7",
            "source": "/tidegate/shop%201",
            "content": {
              "approvalDetailsUrl": "/api/v1/approvals",
              "resourceTargetUrl": "/models/late%20arrival/3",
              "requestor": "urn:tidegate:shop%201:person:ada%2Fo"
            }
          },
          "customData": {
            "topic": "asked",
            "subject": "late-arrival/2",
            "text": "x",
            "position": 7
          },
          "customDataContentType": "application/json"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&created).unwrap());
    // The schemas of the draft let through these keys and no other, and need all of them.
    let content =
        |event: &serde_json::Value| event["subject"]["content"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let (first, last, no) = (told(Topic::Approved, "grace", false), told(Topic::Approved, "joan", true), told(Topic::Vetoed, "joan", true));
    for (event, kind, keys) in [
        (&first, "updated", "approvalDetailsUrl decision resourceTargetUrl responder"),
        (&last, "closed", "approvalDetailsUrl decision resourceTargetUrl responder status"),
        (&no, "closed", "approvalDetailsUrl decision resourceTargetUrl responder status"),
    ] {
        assert_eq!(event["context"]["type"], format!("dev.cdevents.approval.{kind}.0.1.0"));
        let mut found: Vec<_> = content(event).split(' ').map(str::to_owned).collect();
        found.sort_unstable();
        assert_eq!((found.join(" ").as_str(), &event["subject"]["id"]), (keys, &created["subject"]["id"]));
    }
    assert_eq!((&last["subject"]["content"]["status"], &no["subject"]["content"]["status"]), (&"approved".into(), &"rejected".into()));
}

#[test]
fn approvals_of_trains_are_closed_under_the_name_they_were_created_by() {
    let item = |topic| Item { service: None, subject: "train shop".to_owned(), ..item(7, topic, "x") };
    let car = Approvable::Car { number: 4, service: "late".to_owned(), model: "late arrival".to_owned(), version: "3".to_owned() };
    for (of, subject, target) in [
        (car, "train shop/4/late/3", "/models/late%20arrival/3"),
        (Approvable::Order { digest: "842add7b70d7".to_owned() }, "train shop/order/842add7b70d7", "/"),
    ] {
        let told = |topic, closes| {
            event("shop 1", &item(topic), Some(&Beside::Approval(Approval { of: of.clone(), by: "ada".to_owned(), closes })))
        };
        for (topic, closes, kind) in
            [(Topic::Asked, false, "created"), (Topic::Approved, false, "updated"), (Topic::Approved, true, "closed")]
        {
            let event = told(topic, closes);
            assert_eq!(event["context"]["type"], format!("dev.cdevents.approval.{kind}.0.1.0"));
            assert_eq!((&event["subject"]["id"], &event["subject"]["content"]["resourceTargetUrl"]), (&subject.into(), &target.into()));
            let who = if topic == Topic::Asked { "requestor" } else { "responder" };
            assert_eq!(event["subject"]["content"][who], "urn:tidegate:shop%201:person:ada");
        }
    }
}
