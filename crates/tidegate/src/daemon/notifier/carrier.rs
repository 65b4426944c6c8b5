//! Carries what is told: to Slack, to a tool, to a mail server.

use crate::clock;
use crate::surroundings::secret;
use tidegate_adapters::curl::Curl;
use tidegate_adapters::{slack, smtp, webhook};
use tidegate_core::notify::Item;
use tidegate_wire::config::Way;
use tidegate_wire::notify::cdevents::{self, Beside};
use tidegate_wire::notify::{self, Envelope};

/// Tells it, and waits until it was taken. A tool is told the first alone.
///
/// # Errors
/// Why it was not taken. No secret stands in it.
pub fn carry(workspace: &str, way: &Way, items: &[Item], beside: Option<&Beside>) -> Result<(), String> {
    let now = clock::now();
    let told = match way {
        Way::Slack { address: variable } => {
            let address = secret(variable)?;
            if !address.starts_with("https://") && !address.starts_with("http://") {
                return Err(format!("the environment variable {variable} holds no address of a webhook, as `https://...`"));
            }
            slack::send(&Curl, &address, notify::slack(workspace, items))
        }
        Way::Webhook { url, secret: variable } => {
            let Some(item) = items.first() else { return Ok(()) };
            let body = cdevents::event(workspace, item, beside);
            let told = webhook::Told { id: notify::id(workspace, item.position), headers: cdevents::headers(&body), body };
            let key = variable.as_deref().map(secret).transpose()?;
            webhook::send(&Curl, url, key.as_deref(), told, now.0.div_euclid(1_000))
        }
        Way::Email { smtp: server, from, to, login } => {
            let text = notify::mail(workspace, Envelope { from, to }, items, now);
            let login = login.as_deref().map(secret).transpose()?;
            // Without a password `curl` would ask for one.
            if login.as_ref().is_some_and(|login| !login.contains(':')) {
                return Err("the login of the mail server is not `user:password`".to_owned());
            }
            smtp::send(&smtp::Mail { server, login: login.as_deref(), from, to, text: &text })
        }
    };
    told.map_err(|error| error.to_string())
}

/// How somebody is told, in words that give nothing away.
pub fn way_words(way: &Way) -> String {
    match way {
        Way::Slack { address } => format!("Slack, by the address in {address}"),
        Way::Webhook { url, .. } => {
            // Many tools have their token in the path.
            let host = url.split('/').nth(2).and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default();
            format!("webhook at {host}")
        }
        Way::Email { smtp, to, .. } => format!("mail to {} by {smtp}", to.join(", ")),
    }
}
