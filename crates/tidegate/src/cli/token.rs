//! `tidegate token`: credentials for programs that use the API, made, listed and ended.

use super::Context;
use crate::clock;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace::{self, Opened};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use tidegate_core::id::At;
use tidegate_store::Keys;
use tidegate_store::tokens::{NewToken, Token, Tokens};
use tidegate_wire::config::unit::duration_ms;

/// The kind that stands in the token's text.
const KIND: &str = "api";

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and prints it, once
    Create(CreateArgs),
    /// Lists tokens, without their secrets
    List,
    /// Ends a token
    Revoke {
        /// Its id, from `token list`
        id: String,
    },
}

/// A new token.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What it is for, as `github actions`
    #[arg(long)]
    label: String,
    /// What it allows: `console` is the API, pages and releases, as for somebody who signed in; `judge` lets Argo Rollouts,
    /// Flagger, Kayenta and Spinnaker ask for verdicts; `gateway` lets `tidegate gateway follow` take routes and versions; `features` lets
    /// a server read features
    #[arg(long, value_enum, default_value = "console")]
    scope: Scope,
    /// Whose it is, of `people` in tidegate.yaml: what is done with it is done in their name
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// How long it counts, as `90d`; for ever when not given
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// The API, pages and releases
    Console,
    /// Verdicts for other release tools
    Judge,
    /// Routes and versions for gateways that follow
    Gateway,
    /// Features as of now, for whoever serves a model
    Features,
}

/// Carries it out.
pub fn token(context: &Context, command: &TokenCommand) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let tokens = tokens(&opened)?;
    match command {
        TokenCommand::Create(args) => {
            let people = &opened.config.people;
            if let Some(unknown) = args.person.as_ref().filter(|name| !people.contains_key(*name)) {
                let known = if people.is_empty() { "nobody".to_owned() } else { people.keys().cloned().collect::<Vec<_>>().join(", ") };
                let why = format!("make a token of {unknown}: `people` of tidegate.yaml has no such name; known: {known}");
                return Err(failure(exit::NOT_FOUND, why));
            }
            create(context, &tokens, args)?;
        }
        TokenCommand::List => list(context, &tokens.list()?)?,
        TokenCommand::Revoke { id } => {
            if !tokens.revoke(id)? {
                return Err(failure(
                    exit::NOT_FOUND,
                    format!("revoke token {id}: there is none: `tidegate token list` shows those that are"),
                ));
            }
            if context.json {
                show::json(&serde_json::json!({ "revoked": id }))?;
            } else {
                show::line(&format!("revoked {id}; sessions that it began end within twelve hours"))?;
            }
        }
    }
    Ok(exit::OK)
}

fn tokens(opened: &Opened) -> Result<Tokens> {
    opened.places.make()?;
    Ok(Keys::open(&opened.places.keys(), &opened.config.name)?.tokens())
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Scope::Console => "console",
            Scope::Judge => "judge",
            Scope::Gateway => "gateway",
            Scope::Features => "features",
        }
    }
}

fn create(context: &Context, tokens: &Tokens, args: &CreateArgs) -> Result<()> {
    let now = clock::now();
    let after = |text: &str| -> Result<At> {
        let ms = duration_ms(text).map_err(|why| failure(exit::USAGE, format!("make a token: --expires: {why}")))?;
        Ok(At(now.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))))
    };
    let expires = args.expires.as_deref().map(after).transpose()?;
    let person = args.person.as_deref();
    let new = NewToken { kind: KIND, label: &args.label, scopes: &[args.scope.word()], expires, once: false, person };
    let (token, text) = tokens.make(&new, now)?;
    if context.json {
        return show::json(&serde_json::json!({ "id": token.id, "token": text, "expires": token.expires.map(|at| at.to_string()) }));
    }
    show::line(&text)?;
    show::note(match args.scope {
        Scope::Features => "keep it now: it is not shown again; Feast's client sends it with `auth: { type: oidc, token_env_var: NAME }`",
        Scope::Console => "keep it now: it is not shown again; send it as `authorization: Bearer TOKEN`",
        Scope::Gateway => "keep it now: it is not shown again; put it in a file for `tidegate gateway follow --token-file`",
        Scope::Judge => "keep it now: it is not shown again; it stands in the path, as `http://HOST:PORT/hooks/TOKEN/argo/JUDGE/SUBJECT`",
    });
    Ok(())
}

fn list(context: &Context, tokens: &[Token]) -> Result<()> {
    if context.json {
        let rows: Vec<_> = tokens.iter().map(|t| serde_json::json!({ "id": t.id, "kind": t.kind, "label": t.label, "scopes": t.scopes, "made": t.made.to_string(), "expires": t.expires.map(|at| at.to_string()), "once": t.once, "person": t.person })).collect();
        return show::json(&rows);
    }
    if tokens.is_empty() {
        return show::line("no token yet: `tidegate token create --label NAME` makes one");
    }
    for t in tokens {
        let until = t.expires.map_or("for ever".to_owned(), |at| format!("until {at}"));
        let once = if t.once { ", for one use" } else { "" };
        show::line(&format!("{}  {:<8} {}: made {}, {until}{once}", t.id, t.kind, t.label, t.made))?;
    }
    Ok(())
}
