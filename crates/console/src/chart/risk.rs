//! Pictures of risks: a waterfall of log odds, what was said against what became of it, the same over time, bars of features, and figures
//! with their intervals.

use super::{HEIGHT, LEFT, RIGHT, TOP, WIDTH, fixed, path, sized};
use crate::layout::number;
use crate::view::risk::{Bin, Importance, Interval, Period, Waterfall};
use maud::{Markup, html};
use std::fmt::Write as _;

/// Height of a bar with its gap.
const LINE: f64 = 26.0;
/// Height of a bar.
const THICK: f64 = 16.0;
/// Room for names at the left, and for numbers at the right.
const NAMES: f64 = 190.0;
const NUMBERS: f64 = 76.0;
/// Room for the words at the axis.
const FOOT: f64 = 26.0;
/// Side of the square of the reliability diagram.
const SQUARE: f64 = 260.0;
/// Least and most radius of its points.
const RADIUS: (f64, f64) = (3.0, 9.0);
/// Width of a bar that is nothing, so that it is seen.
const WIDTH_LEAST: f64 = 1.0;
/// Names are cut at so many characters.
const NAME_CHARS_MAX: usize = 28;

fn share(value: f64, low: f64, high: f64) -> f64 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX { name.to_owned() } else { name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect() }
}

/// One line of a picture of bars.
struct Bar<'a> {
    class: &'a str,
    name: String,
    from: f64,
    to: f64,
    said: String,
}

/// Bars below each other between `low` and `high`; each begins where the one before it ended where `joined` says so.
fn bars(bars: &[Bar<'_>], low: f64, high: f64, joined: bool) -> Markup {
    let x = |value: f64| NAMES + (WIDTH - NAMES - NUMBERS) * share(value, low, high);
    html! {
        @for (line, bar) in (0_u32..).zip(bars) {
            @let y = TOP + LINE * f64::from(line);
            @let (left, right) = (x(bar.from.min(bar.to)), x(bar.from.max(bar.to)));
            text.tick x=(NAMES - 8.0) y=(fixed(y + THICK - 4.0)) text-anchor="end" { (short(&bar.name)) }
            rect class={ "step " (bar.class) } x=(fixed(left)) y=(fixed(y)) width=(fixed((right - left).max(WIDTH_LEAST))) height=(THICK) {}
            text.tick x=(fixed(right + 6.0)) y=(fixed(y + THICK - 4.0)) { (bar.said) }
            @if joined && (line as usize) + 1 < bars.len() {
                line.joint x1=(fixed(x(bar.to))) x2=(fixed(x(bar.to))) y1=(fixed(y + THICK)) y2=(fixed(y + LINE)) {}
            }
        }
    }
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{:.2}", -value) } else { format!("+{value:.2}") }
}

/// From the base to the log odds, step by step.
pub(crate) fn waterfall(of: &Waterfall) -> Markup {
    let mut all = vec![Bar { class: "whole", name: "any change".to_owned(), from: 0.0, to: of.base, said: format!("{:.2}", of.base) }];
    let mut at = of.base;
    let steps = of.steps.iter().map(|step| (format!("{} = {}", step.feature, number(step.value)), step.log_odds));
    let rest = (of.rest_features > 0).then(|| (format!("{} other features", of.rest_features), of.rest));
    for (name, log_odds) in steps.chain(rest) {
        let class = if log_odds > 0.0 { "raises" } else { "lowers" };
        all.push(Bar { class, name, from: at, to: at + log_odds, said: signed(log_odds) });
        at += log_odds;
    }
    let said = format!("{:.2}: {:.2}", of.margin, of.probability);
    all.push(Bar { class: "whole", name: "this change".to_owned(), from: 0.0, to: of.margin, said });
    let ends = || all.iter().flat_map(|bar| [bar.from, bar.to]);
    let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
    let height = TOP + LINE * all.len() as f64 + FOOT;
    let zero = NAMES + (WIDTH - NAMES - NUMBERS) * share(0.0, low, high);
    let inner = html! {
        line.grid x1=(fixed(zero)) x2=(fixed(zero)) y1=(TOP - 4.0) y2=(fixed(height - FOOT)) {}
        text.tick x=(fixed(zero)) y=(fixed(height - 8.0)) text-anchor="middle" { "even odds" }
        (bars(&all, low, high, true))
    };
    sized(
        "How the log odds come about: each bar begins where the one above it ends; the last one's probability stands beside it",
        height,
        &[("raises", "raises"), ("lowers", "lowers")],
        &inner,
    )
}

/// A figure with its interval, as one line of a picture.
pub(crate) struct Ranged {
    pub name: String,
    pub at: Interval,
}

/// Shares with their intervals below each other.
pub(crate) fn shares(title: &str, of: &[Ranged]) -> Markup {
    let highest = of.iter().map(|one| one.at.high).fold(0.0, f64::max);
    let high = (highest * 10.0).ceil().clamp(1.0, 10.0) / 10.0;
    ranged(title, of, &[0.0, high / 2.0, high], percent)
}

/// Differences of shares with their intervals, beside the line of none.
pub(crate) fn differences(title: &str, of: &[Ranged]) -> Markup {
    let farthest = of.iter().flat_map(|one| [one.at.low.abs(), one.at.high.abs()]).fold(0.0, f64::max);
    let end = (farthest * 10.0).ceil().clamp(1.0, 10.0) / 10.0;
    ranged(title, of, &[-end, 0.0, end], |value| if value == 0.0 { "0".to_owned() } else { format!("{:+.0}", value * 100.0) })
}

/// Points with bars of their intervals, between the first and the last of the ticks.
fn ranged(title: &str, of: &[Ranged], ticks: &[f64; 3], word: fn(f64) -> String) -> Markup {
    let [low, _, high] = *ticks;
    let x = |value: f64| NAMES + (WIDTH - NAMES - NUMBERS) * share(value, low, high);
    let foot = TOP + LINE * of.len() as f64;
    let inner = html! {
        @for tick in ticks {
            line.grid x1=(fixed(x(*tick))) x2=(fixed(x(*tick))) y1=(TOP - 4.0) y2=(fixed(foot)) {}
            text.tick x=(fixed(x(*tick))) y=(fixed(foot + 16.0)) text-anchor="middle" { (word(*tick)) }
        }
        @for (line, one) in (0_u32..).zip(of) {
            @let y = TOP + LINE * f64::from(line) + THICK / 2.0;
            text.tick x=(NAMES - 8.0) y=(fixed(y + 4.0)) text-anchor="end" { (short(&one.name)) }
            line.whisker x1=(fixed(x(one.at.low))) x2=(fixed(x(one.at.high))) y1=(fixed(y)) y2=(fixed(y)) {}
            circle.dot cx=(fixed(x(one.at.estimate))) cy=(fixed(y)) r="4" {}
            text.tick x=(WIDTH - NUMBERS + 8.0) y=(fixed(y + 4.0)) { (word(one.at.estimate)) }
        }
    };
    sized(title, foot + FOOT, &[], &inner)
}

/// How much features move risks.
pub(crate) fn importance(of: &[Importance]) -> Markup {
    let high = of.iter().map(|one| one.mean_log_odds).fold(0.0, f64::max);
    let bar = |one: &Importance| Bar {
        class: "plain",
        name: one.feature.clone(),
        from: 0.0,
        to: one.mean_log_odds,
        said: format!("{:.3}", one.mean_log_odds),
    };
    let all: Vec<Bar<'_>> = of.iter().map(bar).collect();
    let height = TOP + LINE * all.len() as f64;
    sized(
        "How much each feature moves risks: mean size of its exact Shapley value, in log odds",
        height,
        &[],
        &bars(&all, 0.0, high, false),
    )
}

/// What was said against what became of it, beside the diagonal.
pub(crate) fn reliability(bins: &[Bin]) -> Markup {
    let x = |value: f64| LEFT + SQUARE * value.clamp(0.0, 1.0);
    let y = |value: f64| TOP + SQUARE * (1.0 - value.clamp(0.0, 1.0));
    let most = bins.iter().map(|bin| bin.rows).max().unwrap_or(0).max(1) as f64;
    let drawn: Vec<_> = bins.iter().filter_map(|bin| Some((bin.predicted?, bin.observed?, bin.rows))).collect();
    let inner = html! {
        @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            line.grid x1=(LEFT) x2=(LEFT + SQUARE) y1=(fixed(y(tick))) y2=(fixed(y(tick))) {}
            text.tick x=(LEFT - 6.0) y=(fixed(y(tick) + 4.0)) text-anchor="end" { (percent(tick)) }
            text.tick x=(fixed(x(tick))) y=(TOP + SQUARE + 16.0) text-anchor="middle" { (percent(tick)) }
        }
        line.diagonal x1=(fixed(x(0.0))) y1=(fixed(y(0.0))) x2=(fixed(x(1.0))) y2=(fixed(y(1.0))) {}
        @for (predicted, observed, rows) in &drawn {
            line.whisker x1=(fixed(x(*predicted))) x2=(fixed(x(*predicted))) y1=(fixed(y(observed.low))) y2=(fixed(y(observed.high))) {}
            circle.dot cx=(fixed(x(*predicted))) cy=(fixed(y(observed.estimate))) r=(fixed(RADIUS.0 + (RADIUS.1 - RADIUS.0) * (*rows as f64 / most).sqrt())) {}
        }
        text.tick x=(LEFT + SQUARE + 24.0) y=(TOP + 16.0) { "up: share that hurt" }
        text.tick x=(LEFT + SQUARE + 24.0) y=(TOP + 34.0) { "right: mean of what was said" }
        text.tick x=(LEFT + SQUARE + 24.0) y=(TOP + 52.0) { "dashed: a model that is right" }
        text.tick x=(LEFT + SQUARE + 24.0) y=(TOP + 70.0) { "bar: interval of 95 %" }
        text.tick x=(LEFT + SQUARE + 24.0) y=(TOP + 88.0) { "larger point: more changes" }
    };
    sized("What was said against what became of it, on changes that were not learnt from", TOP + SQUARE + FOOT, &[], &inner)
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// Mean risk and share that hurt, quarter by quarter, over the middle half of the scores.
pub(crate) fn periods(of: &[Period]) -> Markup {
    let foot = HEIGHT - FOOT;
    let highest = of.iter().flat_map(|one| [one.quartiles[2], one.predicted, one.observed.high]).fold(0.0, f64::max);
    let high = (highest * 10.0).ceil().clamp(1.0, 10.0) / 10.0;
    let slot = (WIDTH - LEFT - RIGHT) / of.len().max(1) as f64;
    let x = |place: usize| LEFT + slot * (place as f64 + 0.5);
    let y = |value: f64| TOP + (foot - TOP) * (1.0 - share(value, 0.0, high));
    // Names stand as densely as they can be read.
    let every = of.len().div_ceil(9).max(1);
    let line = of.iter().enumerate().fold(String::new(), |mut d, (place, one)| {
        let _ = write!(d, "{}{:.1} {:.1}", if d.is_empty() { "M" } else { " L" }, x(place), y(one.predicted));
        d
    });
    let inner = html! {
        @for tick in [0.0, high / 2.0, high] {
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(y(tick))) y2=(fixed(y(tick))) {}
            text.tick x=(LEFT - 6.0) y=(fixed(y(tick) + 4.0)) text-anchor="end" { (percent(tick)) }
        }
        @for (place, one) in of.iter().enumerate() {
            rect.middle x=(fixed(x(place) - slot * 0.3)) width=(fixed(slot * 0.6)) y=(fixed(y(one.quartiles[2]))) height=(fixed((y(one.quartiles[0]) - y(one.quartiles[2])).max(WIDTH_LEAST))) {}
            line.whisker x1=(fixed(x(place))) x2=(fixed(x(place))) y1=(fixed(y(one.observed.low))) y2=(fixed(y(one.observed.high))) {}
            circle.dot cx=(fixed(x(place))) cy=(fixed(y(one.observed.estimate))) r="4" {}
            @if place % every == 0 { text.tick x=(fixed(x(place))) y=(HEIGHT - 8.0) text-anchor="middle" { (one.name) } }
        }
        (path("line predicted", &line))
    };
    sized(
        "Risks and what became of them, quarter by quarter (box: middle half of the scores; bar: interval of 95 %)",
        HEIGHT,
        &[("predicted", "mean of what was said"), ("dot", "share that hurt")],
        &inner,
    )
}
