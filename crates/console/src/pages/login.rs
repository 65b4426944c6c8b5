//! The door: who has no session is asked for a token; what is not there says so.

use crate::layout::page;
use maud::html;

/// Asks for a token; `wrong` says that the one before was not right.
#[must_use]
pub fn login(wrong: bool) -> String {
    let body = html! {
        form method="post" action="/login" {
            p { label for="token" { "Token" } }
            p { input id="token" name="token" type="password" autocomplete="off" autofocus required; }
            @if wrong { p.bad role="alert" { "That token is not known here. The first lines of " code { "tidegate up" } " show a link that carries one." } }
            p { button type="submit" { "Open" } }
        }
    };
    page("Who is there?", "", &body)
}

/// A page for what is not there.
#[must_use]
pub fn not_found(what: &str) -> String {
    page("Not here", "", &html! { p { (what) } p { a href="/" { "Back to the loop" } } })
}
