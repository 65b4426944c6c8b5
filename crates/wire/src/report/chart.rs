//! A small line chart as SVG, that needs nothing from elsewhere and reads in light and dark.

use super::{Plot, number};
use crate::junit::escape;
use std::fmt::Write as _;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 44.0;

/// The plot as SVG; none when no point can be drawn.
pub(super) fn svg(plot: &Plot) -> Option<String> {
    let points = || plot.base.iter().chain(&plot.current);
    let range = |pick: fn(&(f64, f64)) -> f64| {
        let low = points().map(pick).reduce(f64::min)?;
        let high = points().map(pick).reduce(f64::max)?;
        (low.is_finite() && high.is_finite()).then_some(if low < high { (low, high) } else { (low - 0.5, high + 0.5) })
    };
    let ((left, right), (bottom, top)) = (range(|p| p.0)?, range(|p| p.1)?);
    let place = |(x, y): &(f64, f64)| {
        let across = MARGIN + (x - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
        let up = HEIGHT - MARGIN - (y - bottom) / (top - bottom) * (HEIGHT - 2.0 * MARGIN);
        (across, up)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&plot.title)
    );
    let (low, high) = (HEIGHT - MARGIN, MARGIN);
    let _ = write!(text, "<path d=\"M{MARGIN} {high}V{low}H{}\" fill=\"none\" stroke=\"currentColor\" opacity=\".4\"/>", WIDTH - MARGIN);
    for (points, style) in
        [(&plot.base, "stroke=\"#888\" stroke-dasharray=\"5 4\""), (&plot.current, "stroke=\"#0a7d8c\" stroke-width=\"2\"")]
    {
        let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        match path.as_slice() {
            [] => {}
            [one] => {
                let (x, y) = one.split_once(',').unwrap_or(("0", "0"));
                let _ = write!(text, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"none\" {style}/>");
            }
            path => {
                let _ = write!(text, "<polyline points=\"{}\" fill=\"none\" {style}/>", path.join(" "));
            }
        }
    }
    let mut label = |x: f64, y: f64, anchor: &str, words: &str| {
        let _ = write!(
            text,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"11\" fill=\"currentColor\">{}</text>",
            escape(words)
        );
    };
    label(MARGIN, low + 16.0, "start", &number(left));
    label(WIDTH - MARGIN, low + 16.0, "end", &number(right));
    label(MARGIN - 4.0, low, "end", &number(bottom));
    label(MARGIN - 4.0, high + 8.0, "end", &number(top));
    label(WIDTH / 2.0, low + 32.0, "middle", &plot.x);
    label(MARGIN, high - 10.0, "start", &plot.y);
    text.push_str("</svg>");
    Some(text)
}
