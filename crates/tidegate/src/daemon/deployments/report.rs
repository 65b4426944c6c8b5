//! Tells GitHub what became of a version whose deployment was let through: its release begins, ends, goes back.

use super::{Trying, carrier, held, tell};
use crate::clock;
use crate::daemon::api::Api;
use anyhow::Result;
use carrier::Tokens;
use tidegate_core::deployment::{Command, Held, Outcome};
use tidegate_core::notify::{GIVE_UP_MS, pause_ms};
use tidegate_core::rollout::{Rollout, State};
use tidegate_wire::config::{Deployment, Tool};

/// Whether its release is followed: until the time is over for which it might have waited; what went back may be tried again.
pub fn is_followed(api: &Api, stream: &str, held: &Held) -> bool {
    let wanted = configured(api, stream).is_some_and(|(_, of)| matches!(of.tool, Tool::Github { statuses: true, .. }));
    wanted && held.was_let_through() && clock::now() < held.until
}

fn configured<'a>(api: &'a Api, stream: &str) -> Option<(&'a String, &'a Deployment)> {
    api.opened.config.deployments.get_key_value(stream.split('/').nth(1)?)
}

/// Looks at the releases that are followed, and tells what is news; what does not get on.
pub async fn look(api: &Api, tokens: &mut Tokens) -> Vec<String> {
    let followed: Vec<String> = api.deployments.lock().followed.keys().cloned().collect();
    let mut troubles = vec![];
    for stream in followed {
        match turn(api, tokens, &stream).await {
            Ok(trouble) => troubles.extend(trouble.map(|why| format!("{stream}: {why}"))),
            Err(error) => troubles.push(format!("{stream}: {error:#}")),
        }
    }
    troubles
}

async fn turn(api: &Api, tokens: &mut Tokens, stream: &str) -> Result<Option<String>> {
    let held = held(api, stream).await?.filter(|held| is_followed(api, stream, held));
    let (Some(held), Some((name, deployment))) = (held, configured(api, stream)) else {
        api.deployments.lock().followed.remove(stream);
        return Ok(None);
    };
    let now = clock::now();
    let trying = api.deployments.lock().followed.get(stream).cloned().unwrap_or_default();
    let Some(outcome) = outcome(api, &held).await?.filter(|_| now >= trying.not_before) else { return Ok(None) };
    let what = format!("version {} of {}", held.version.clone().unwrap_or_default(), held.service);
    let (next, refused) = match carrier::report(tokens, name, deployment, &held.target, (outcome, what)).await {
        Ok(()) => (Trying::default(), None),
        Err(why) => {
            let (tries, since) = trying.failed.map_or((1, now), |(tries, since)| (tries.saturating_add(1), since));
            if why.may_pass && now.since_ms(since) < GIVE_UP_MS {
                let next = Trying { failed: Some((tries, since)), not_before: now.plus_ms(pause_ms(tries)) };
                api.deployments.lock().followed.insert(stream.to_owned(), next);
                return Ok(Some(format!("report {outcome:?}: {}: it is tried again", why.text)));
            }
            api.plane.trouble(&format!("{stream}: report {outcome:?}: {}: given up", why.text));
            (Trying::default(), Some(why.text))
        }
    };
    api.deployments.lock().followed.insert(stream.to_owned(), next);
    tell(api, stream, Command::Report { outcome, refused, at: clock::now() }).await?;
    Ok(None)
}

/// What is to be reported now of the release that came after the question, where there is one.
async fn outcome(api: &Api, held: &Held) -> Result<Option<Outcome>> {
    let Some(version) = &held.version else { return Ok(None) };
    let since = held.since;
    // What was tried before the question is not what came of it.
    let is_after = move |open: &Rollout| open.attempt_since >= since;
    let enough = move |read: &[State]| !read.last().and_then(State::rollout).is_some_and(is_after);
    let releases = api.plane.newest_until(&held.service, enough).await?;
    let after = releases.iter().map_while(State::rollout).take_while(|open| is_after(open));
    Ok(Outcome::among(version, after.map(|open| (open.spec.candidate.as_str(), &open.phase)), held.reported))
}
