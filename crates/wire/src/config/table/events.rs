//! Keys of `events`: other tools that tell what happens to changes.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static EVENT_SOURCE: Table = Table {
    title: "events.NAME",
    doc: "A tool that tells by webhook, at `/webhooks/events/NAME`, what happens to changes: reviews, builds, deployments, incidents.",
    keys: &[
        key(
            "tool",
            Shape::Word(&["github", "gitlab", "jenkins", "argo", "spinnaker", "pagerduty", "cdevents"]),
            Need::Required,
            "What it speaks.",
        ),
        key(
            "secret",
            Shape::Variable,
            Need::Required,
            "Name of the environment variable that holds the webhook's secret: GitHub and PagerDuty sign with it, GitLab sends it, and others send it as `authorization: Bearer <secret>`. What does not prove to know it is not read.",
        ),
        key("service", Shape::Text, Need::Optional, "The service that its events are of which name none."),
    ],
};
