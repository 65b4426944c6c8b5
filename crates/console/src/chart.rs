//! Pictures of a release over time, as SVG: e-values against their bars, the ratio in its band, the split. Those of risks are in `risk`.
//!
//! Every picture has a title that says what it shows; the page has the numbers as a table beside it.

pub(crate) mod risk;

use crate::view::{Point, Ratio};
use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;

struct Axes {
    seconds: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * if self.seconds > 0.0 { seconds / self.seconds } else { 0.0 }
    }

    fn y(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        let share = if span > 0.0 { (value.clamp(self.low, self.high) - self.low) / span } else { 0.5 };
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
    }

    fn line(&self, points: &[(f64, f64)]) -> String {
        points.iter().fold(String::new(), |mut d, (s, v)| {
            let _ = write!(d, "{}{:.1} {:.1}", if d.is_empty() { "M" } else { " L" }, self.x(*s), self.y(*v));
            d
        })
    }

    fn band(&self, lower: &[(f64, f64)], upper: &[(f64, f64)]) -> String {
        let back: Vec<(f64, f64)> = lower.iter().rev().copied().collect();
        let there = self.line(upper);
        let back = self.line(&back).replacen('M', " L", 1);
        format!("{there}{back} Z")
    }

    fn grid(&self, ticks: &[(f64, String)]) -> Markup {
        html! {
            @for (value, label) in ticks {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(self.y(*value))) y2=(fixed(self.y(*value))) {}
                text.tick x=(LEFT - 6.0) y=(fixed(self.y(*value) + 4.0)) text-anchor="end" { (label) }
            }
            text.tick x=(LEFT) y=(HEIGHT - 6.0) { "0 s" }
            text.tick x=(WIDTH - RIGHT) y=(HEIGHT - 6.0) text-anchor="end" { (format!("{:.0} s", self.seconds)) }
        }
    }
}

fn fixed(value: f64) -> String {
    format!("{value:.1}")
}

fn seconds(points: &[Point]) -> Vec<f64> {
    let start = points.first().map(|p| p.at).unwrap_or_default();
    points.iter().map(|p| p.at.since_ms(start) as f64 / 1000.0).collect()
}

fn frame(title: &str, legend: &[(&str, &str)], inner: &Markup) -> Markup {
    sized(title, HEIGHT, legend, inner)
}

fn sized(title: &str, height: f64, legend: &[(&str, &str)], inner: &Markup) -> Markup {
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(title) { title { (title) } (inner) }
            figcaption {
                (title)
                @for (class, name) in legend { span.key { span class={ "swatch " (class) } {} (name) } }
            }
        }
    }
}

fn path(class: &str, d: &str) -> Markup {
    PreEscaped(format!("<path class=\"{class}\" d=\"{d}\"/>"))
}

/// Both e-values on a logarithmic scale, each with its bar.
pub(crate) fn e_values(points: &[Point]) -> Markup {
    let Some(last) = points.last() else { return html! {} };
    let times = seconds(points);
    let log = |e: f64| e.max(1e-3).log10();
    let high = points.iter().map(|p| log(p.e_rollback.max(p.e_promote))).fold(log(last.needs_rollback) + 0.5, f64::max).min(12.0);
    let axes = Axes { seconds: times.last().copied().unwrap_or(0.0), low: -3.0, high };
    let series = |value: fn(&Point) -> f64| -> Vec<(f64, f64)> { times.iter().zip(points).map(|(t, p)| (*t, log(value(p)))).collect() };
    let ticks: Vec<(f64, String)> =
        [-2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().filter(|v| *v <= high).map(|v| (v, format!("1e{v:.0}"))).collect();
    let whole = [(0.0, 0.0), (axes.seconds, 0.0)];
    let bar = |value: f64| axes.line(&whole.map(|(t, _)| (t, log(value))));
    let inner = html! {
        (axes.grid(&ticks))
        (path("bar rollback", &bar(last.needs_rollback)))
        (path("bar promote", &bar(last.needs_promote)))
        (path("line rollback", &axes.line(&series(|p| p.e_rollback))))
        (path("line promote", &axes.line(&series(|p| p.e_promote))))
    };
    frame("Evidence over time (e-values; dashed: what each needs)", &[("rollback", "for rollback"), ("promote", "for promotion")], &inner)
}

/// The ratio of error rates in its sequential interval, on a logarithmic scale.
pub(crate) fn ratio(points: &[Point]) -> Markup {
    let times = seconds(points);
    let log = |r: f64| r.clamp(0.05, 100.0).log2();
    let with: Vec<(f64, Ratio)> = times.iter().zip(points).filter_map(|(t, p)| Some((*t, p.ratio?))).collect();
    if with.is_empty() {
        return html! { p.quiet { "Neither arm has failed enough for a ratio of error rates to be drawn." } };
    }
    let ends = |r: &Ratio| [Some(r.low).filter(|low| *low > 0.0), r.estimate, r.high];
    let seen = || with.iter().flat_map(|(_, r)| ends(r)).flatten().map(log);
    let (low, high) = (seen().fold(-2.0, f64::min), seen().fold(2.0, f64::max));
    let axes = Axes { seconds: times.last().copied().unwrap_or(0.0), low, high };
    // An open end reaches the picture's own.
    let lower: Vec<(f64, f64)> = with.iter().map(|(t, r)| (*t, log(r.low))).collect();
    let upper: Vec<(f64, f64)> = with.iter().map(|(t, r)| (*t, r.high.map_or(high, log))).collect();
    let line: Vec<(f64, f64)> = with.iter().filter_map(|(t, r)| Some((*t, log(r.estimate?)))).collect();
    let ticks: Vec<(f64, String)> = [0.125, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0]
        .into_iter()
        .filter(|r| (low..=high).contains(&log(*r)))
        .map(|r| (log(r), format!("{r}x")))
        .collect();
    let inner = html! {
        (axes.grid(&ticks))
        (path("band", &axes.band(&lower, &upper)))
        (path("bar", &axes.line(&[(0.0, 0.0), (axes.seconds, 0.0)])))
        (path("line ratio", &axes.line(&line)))
    };
    frame("Error rate of the candidate over the control's (band: sequential confidence interval)", &[("ratio", "ratio")], &inner)
}

/// Shares of live traffic.
pub(crate) fn split(points: &[Point]) -> Markup {
    let mut times = seconds(points);
    let end = times.last().copied().unwrap_or(0.0);
    let axes = Axes { seconds: end, low: 0.0, high: 100.0 };
    let mut steps: Vec<(f64, f64, f64)> = vec![];
    for (t, p) in times.drain(..).zip(points) {
        let (candidate, both) = (f64::from(p.candidate_bp) / 100.0, f64::from(p.candidate_bp + p.control_bp) / 100.0);
        if let Some((_, c, b)) = steps.last().copied() {
            steps.push((t, c, b));
        }
        steps.push((t, candidate, both));
    }
    let zero: Vec<_> = steps.iter().map(|s| (s.0, 0.0)).collect();
    let candidate: Vec<_> = steps.iter().map(|s| (s.0, s.1)).collect();
    let both: Vec<_> = steps.iter().map(|s| (s.0, s.2)).collect();
    let all: Vec<_> = steps.iter().map(|s| (s.0, 100.0)).collect();
    let inner = html! {
        (path("area stable", &axes.band(&both, &all)))
        (path("area control", &axes.band(&candidate, &both)))
        (path("area candidate", &axes.band(&zero, &candidate)))
        (axes.grid(&[(0.0, "0 %".to_owned()), (50.0, "50 %".to_owned()), (100.0, "100 %".to_owned())]))
    };
    frame("Split of live traffic", &[("candidate", "candidate"), ("control", "control"), ("stable", "stable")], &inner)
}
