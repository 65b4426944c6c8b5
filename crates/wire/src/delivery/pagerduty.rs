//! PagerDuty's webhooks, version 3 (<https://developer.pagerduty.com/docs/webhooks-overview>).

use super::{Message, Unread, form, instant, named, slug};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Subject, What};

#[derive(Deserialize)]
struct Service {
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    id: String,
    service: Option<Service>,
}

#[derive(Deserialize)]
struct Told {
    id: String,
    event_type: String,
    occurred_at: String,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Body {
    event: Told,
}

pub(super) fn read(message: Message<'_>) -> Result<Option<Event>, Unread> {
    let Body { event } = form("webhook of PagerDuty", message.body)?;
    let what = match event.event_type.as_str() {
        "incident.triggered" | "incident.reopened" => What::IncidentDetected,
        "incident.resolved" => What::IncidentResolved,
        _ => return Ok(None),
    };
    let data: Data = serde_json::from_value(event.data).map_err(|_| super::missing("event.data.id"))?;
    let service = data.service.as_ref().and_then(|service| service.summary.as_deref());
    Ok(Some(Event {
        id: slug("event.id", Some(&event.id))?.ok_or_else(|| super::missing("event.id"))?,
        at_ms: instant("event.occurred_at", &event.occurred_at)?,
        what,
        subject: Subject {
            incident: slug("event.data.id", Some(&data.id))?,
            service: named("event.data.service", service)?,
            ..Subject::default()
        },
    }))
}
