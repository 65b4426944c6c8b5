//! Colours by meaning. They are written always and removed at the border where nobody can see them.

use anstyle::{AnsiColor, Style};
use tidegate_core::gate::GateVerdict;

fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Good news.
pub fn good(text: &str) -> String {
    painted(AnsiColor::Green.on_default().bold(), text)
}

/// Something stopped on purpose.
pub fn warn(text: &str) -> String {
    painted(AnsiColor::Yellow.on_default().bold(), text)
}

/// Bad news.
pub fn bad(text: &str) -> String {
    painted(AnsiColor::Red.on_default().bold(), text)
}

/// A heading.
pub fn strong(text: &str) -> String {
    painted(Style::new().bold(), text)
}

/// Beside the point.
pub fn quiet(text: &str) -> String {
    painted(Style::new().dimmed(), text)
}

/// A gate's answer in a word.
pub fn gate(verdict: GateVerdict) -> String {
    match verdict {
        GateVerdict::Pass => good("pass"),
        GateVerdict::Fail => bad("fail"),
        GateVerdict::CannotTell => warn("cannot tell"),
    }
}
