//! Pictures of what was measured, as SVG that needs nothing from elsewhere and reads in light and dark.

use super::race::OURS;
use super::{ALPHA, CellResult, Delay, Race};
use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
/// Height of a judge's row.
const ROW: f64 = 22.0;
const OURS_COLOUR: &str = "#0a7d8c";
const OTHER_COLOUR: &str = "#c2571a";
/// The times that axes show, in minutes: from a tick to a day.
const MINUTES: (f64, f64) = (1.0 / 6.0, 1_440.0);
const MINUTE_TICKS: [(f64, &str); 6] =
    [(1.0 / 6.0, "10 s"), (1.0, "1 min"), (6.0, "6 min"), (60.0, "1 h"), (360.0, "6 h"), (1_440.0, "24 h")];
/// Delay over the oracle's that is aimed at, with one guardrail.
pub const DELAY_AIM: f64 = 1.5;

struct Canvas {
    text: String,
    height: f64,
    left: f64,
}

impl Canvas {
    fn new(title: &str, height: f64, left: f64) -> Canvas {
        let mut canvas = Canvas { text: String::new(), height, left };
        let _ = write!(
            canvas.text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"sans-serif\" font-size=\"11\" color=\"#777\">"
        );
        canvas.words(10.0, 16.0, "start", title);
        canvas
    }

    fn words(&mut self, x: f64, y: f64, anchor: &str, words: &str) {
        let _ = writeln!(self.text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{words}</text>");
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), style: &str) {
        let _ = writeln!(
            self.text,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" fill=\"none\" stroke=\"currentColor\" {style}/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn dot(&mut self, x: f64, y: f64, colour: &str, full: bool) {
        let fill = if full { colour } else { "none" };
        let _ = writeln!(self.text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"{fill}\" stroke=\"{colour}\" opacity=\".75\"/>");
    }

    fn end(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// Where a share from 0 to 1 lies between left and right.
    fn across(&self, share: f64) -> f64 {
        self.left + share.clamp(0.0, 1.0) * (WIDTH - self.left - RIGHT)
    }

    fn up(&self, share: f64) -> f64 {
        self.height - BOTTOM - share.clamp(0.0, 1.0) * (self.height - TOP - BOTTOM)
    }

    /// Both axes as times, by their logarithm, and lines on which `y` is so many times `x`.
    fn times(&mut self, x: &str, y: &str, multiples: &[(f64, &str)]) {
        for (minutes, label) in MINUTE_TICKS {
            let (at, up) = (self.across(time(minutes)), self.up(time(minutes)));
            self.words(at, self.height - BOTTOM + 16.0, "middle", label);
            self.words(self.left - 6.0, up + 4.0, "end", label);
            self.line((at, self.up(0.0)), (at, self.up(1.0)), "opacity=\".15\"");
            self.line((self.left, up), (self.across(1.0), up), "opacity=\".15\"");
        }
        for (multiple, style) in multiples {
            let end = MINUTES.1 / multiple;
            let from = (self.across(time(MINUTES.0)), self.up(time(MINUTES.0 * multiple)));
            self.line(from, (self.across(time(end)), self.up(1.0)), style);
        }
        self.words(self.across(0.5), self.height - 10.0, "middle", x);
        self.words(self.left - 60.0, TOP - 4.0, "start", y);
    }
}

/// Where a time lies on an axis of their logarithms, from 0 to 1.
fn time(minutes: f64) -> f64 {
    libm::log(minutes / MINUTES.0) / libm::log(MINUTES.1 / MINUTES.0)
}

/// A row a judge, a dot a harmless cell: full where arms may be exchanged, empty where the disturbance is in one arm.
#[must_use]
pub fn false_rollbacks(results: &[CellResult]) -> String {
    let names: Vec<&str> =
        results.first().map_or_else(Vec::new, |r| r.judges.iter().map(|j| j.judge.as_str()).filter(|j| *j != "oracle").collect());
    let height = TOP + BOTTOM + ROW * names.len() as f64;
    let mut canvas = Canvas::new("False rollbacks: a dot a harmless world; empty where one arm alone is disturbed", height, LEFT);
    let place = |share: f64| libm::sqrt(share);
    for (share, label) in [(0.0, "0"), (0.01, "1 %"), (0.1, "10 %"), (0.25, "25 %"), (0.5, "50 %"), (1.0, "100 %")] {
        let at = canvas.across(place(share));
        canvas.line((at, TOP), (at, height - BOTTOM), if share == ALPHA { "stroke-dasharray=\"4 3\"" } else { "opacity=\".15\"" });
        canvas.words(at, height - BOTTOM + 16.0, "middle", label);
    }
    for (row, name) in names.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        canvas.words(LEFT - 8.0, y + 4.0, "end", name);
        let colour = if name.starts_with(OURS) { OURS_COLOUR } else { OTHER_COLOUR };
        for result in results.iter().filter(|r| r.cell.harmless()) {
            let rolled = result.judges.iter().find(|j| j.judge == *name).map_or(0, |j| j.rolled_back);
            let x = canvas.across(place(rolled as f64 / result.runs.max(1) as f64));
            canvas.dot(x, y, colour, result.cell.nuisance.exchangeable());
        }
    }
    canvas.words(canvas.across(0.5), height - 10.0, "middle", "share of runs that were rolled back; dashed: alpha");
    canvas.end()
}

/// A dot a harmful cell: our time against that of the soonest other that keeps to alpha. Below the line we are sooner.
#[must_use]
pub fn detection(races: &[Race]) -> String {
    let mut canvas = Canvas::new("Time to find harm: below the line Tidegate is sooner", HEIGHT, 80.0);
    canvas.times("the soonest other judge that keeps to alpha in the same world", "Tidegate", &[(1.0, "opacity=\".6\"")]);
    for race in races {
        let (Some(ours), Some((_, best))) = (race.ours_minutes, &race.best) else { continue };
        let (x, y) = (canvas.across(time(*best)), canvas.up(time(ours)));
        canvas.dot(x, y, if ours <= *best { OURS_COLOUR } else { OTHER_COLOUR }, race.cell.nuisance.exchangeable());
    }
    canvas.end()
}

/// A dot a harmful cell: our time against the oracle's, full with one guardrail, empty with four.
#[must_use]
pub fn delays(delays: &[Delay]) -> String {
    let mut canvas =
        Canvas::new("Time to find harm beside a test that knows the harm: full with one guardrail, empty with four", HEIGHT, 80.0);
    let lines = [(1.0, "opacity=\".6\""), (DELAY_AIM, "stroke-dasharray=\"4 3\"")];
    canvas.times("the oracle; lines: the same time, and 1.5 times as long", "Tidegate", &lines);
    for delay in delays {
        let Some(oracle) = delay.oracle_minutes else { continue };
        for (minutes, full) in [(delay.one_minutes, true), (delay.four_minutes, false)] {
            let Some(minutes) = minutes else { continue };
            let (x, y) = (canvas.across(time(oracle)), canvas.up(time(minutes)));
            canvas.dot(x, y, if full { OURS_COLOUR } else { OTHER_COLOUR }, full);
        }
    }
    canvas.end()
}
