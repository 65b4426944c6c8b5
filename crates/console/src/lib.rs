//! The web pages, drawn on the server: readable without a script, live with one, nothing from any other host.
//!
//! Each page is a pure function from a view (plain values) to HTML. Not here: where the values come from,
//! who may see them, HTTP.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod chart;
mod layout;
pub mod pages;
pub mod view;

/// The style sheet, served at `/assets/style.css`.
pub const STYLE: &str = include_str!("../assets/style.css");
/// The script that keeps pages live, served at `/assets/live.js`.
pub const SCRIPT: &str = include_str!("../assets/live.js");
/// The icon, served at `/assets/icon.svg`.
pub const ICON: &str = include_str!("../assets/icon.svg");
/// What the pages may load: themselves, nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests;
