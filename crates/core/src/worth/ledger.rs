//! The ledger: what a model's answers came to, way by way and arm by arm, in counts, costs and intervals.
//!
//! Every change counts where the lot put it, whatever became of it: one that never came in has hurt nobody. What holding a change
//! has kept away is told by the lot alone; without it there is an estimate, which is as good as the model's own probabilities.

use super::lot::Arm;
use super::people::{Against, against};
use super::said::{Costs, Decision, Opinion, Spoken};
use crate::risk::Way;
use serde::Serialize;
use tidegate_stats::fairness::{Estimate, Share, sum};

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;
/// Fewest changes of an arm from which it is said who is better.
pub const ARM_ROWS_MIN: u64 = 30;
/// Where more of an arm never came in, most ends are not known from the history.
const NEVER_IN_SHARE_MAX: f64 = 0.5;

/// One change whose end is known, and what was said of it before.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Who decided, where that was drawn.
    pub arm: Option<Arm>,
    /// The share of changes that the model decided about then.
    pub model_share: Option<f64>,
    /// How likely it hurts, as the model said.
    pub probability: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
    /// Which way it went, or would have gone, by that.
    pub way: Way,
    /// From which risk on the model would hold it.
    pub hold_from: Option<f64>,
    /// Whether it waited, by whoever decided.
    pub held: bool,
    /// Whether it hurt.
    pub hurt: bool,
    /// Whether it is in the history; what is not has hurt nobody.
    pub came_in: bool,
    /// What mistakes cost.
    pub costs: Option<Costs>,
    /// What somebody said before the model's answer was told.
    pub blind: Option<Opinion>,
    /// Whether somebody spoke only afterwards.
    pub late: bool,
}

impl Row {
    /// Of what was said, and what became of it; none where no model answered.
    #[must_use]
    pub fn of(spoken: &Spoken, hurt: bool, came_in: bool) -> Option<Row> {
        let (answer, arm) = (spoken.answer()?, spoken.arm());
        let held = match arm {
            Some(Arm::People) => spoken.opinion.as_ref().and_then(|said| holds(said, answer.hold_from)) == Some(true),
            Some(Arm::Model) | None => answer.way == Way::Held,
        };
        Some(Row {
            arm,
            model_share: answer.model_share,
            probability: answer.probability,
            interval: answer.interval,
            way: answer.way,
            hold_from: answer.hold_from,
            held,
            hurt,
            came_in,
            costs: answer.costs,
            blind: spoken.blind.clone(),
            late: spoken.opinion.is_some() && spoken.blind.is_none(),
        })
    }
}

/// Whether an opinion holds a change: as it says, or where its risk is one from which on changes are held.
pub(super) fn holds(said: &Opinion, hold_from: Option<f64>) -> Option<bool> {
    match said.decision {
        Some(decision) => Some(decision == Decision::Hold),
        None => said.risk.zip(hold_from).map(|(risk, from)| risk >= from),
    }
}

/// Changes of one arm and one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Who decided; none where it was not drawn.
    pub arm: Option<Arm>,
    /// Which way the model would have them go; none for all of the arm.
    pub way: Option<Way>,
    /// Changes.
    pub changes: u64,
    /// Of them, not in the history.
    pub never_in: u64,
    /// Share that hurt.
    pub hurt: Share,
    /// Changes that waited.
    pub held: u64,
    /// Of these, those that did no harm: delay for nothing, as far as can be seen.
    pub in_vain: u64,
    /// What that delay cost; none where costs are not known of each.
    pub delay_cost: Option<f64>,
    /// Changes that hurt and had not waited.
    pub through: u64,
    /// What these cost.
    pub through_cost: Option<f64>,
    /// Changes that waited and hurt: they were told right, and whether waiting kept the harm small is not told by labels.
    pub held_and_hurt: u64,
    /// What they would have cost, let through.
    pub held_and_hurt_cost: Option<f64>,
}

/// What the model may have spared, by its own probabilities: an estimate, for what is held was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimated {
    /// Changes that the model held.
    pub held: u64,
    /// Failures among them, expected; the ends are those of the model's intervals.
    pub failures: Estimate,
    /// What these cost less what it cost to hold the others, if holding keeps every failure away; none where costs are not known.
    pub net: Option<Estimate>,
}

/// One arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Changes.
    pub changes: u64,
    /// Of them, not in the history.
    pub never_in: u64,
    /// Share that hurt.
    pub failures: Share,
    /// Share that waited.
    pub held: Share,
    /// Share that waited and did no harm.
    pub in_vain: Share,
}

/// What holding has kept away: changes that the model would hold, where it did against where people decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Avoided {
    /// Share that hurt where the model decided, and they waited.
    pub held: Share,
    /// Share that hurt where people decided.
    pub by_people: Share,
    /// By how much that is more.
    pub difference: Estimate,
    /// The same over all that the model held: failures avoided; below 0 there were more.
    pub failures: Estimate,
    /// What they would have cost; none where costs are not known.
    pub cost: Option<Estimate>,
}

/// Both arms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ByLot {
    /// Where the model decided.
    pub model: Side,
    /// Where people did.
    pub people: Side,
    /// Share of failures, model less people.
    pub failures: Estimate,
    /// Share of changes that waited, model less people.
    pub held: Estimate,
    /// What a change costs less by the model, at mean costs; none where costs are not known.
    pub saved: Option<Estimate>,
    /// Failures avoided.
    pub avoided: Option<Avoided>,
    /// Shares at which was drawn; with several of them the arms are of different times.
    pub drawn_at: Vec<f64>,
}

/// Who is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No answer was recorded of a change whose end is known.
    NothingRecorded,
    /// Nothing was drawn by lot.
    NotDrawn,
    /// An arm has too few changes.
    TooFew,
    /// Most of an arm is not in the history.
    NotJoined,
    /// Shares of the arms changed on the way.
    DrawnUnequally,
    /// The model, and not by chance.
    Model,
    /// People, and not by chance.
    People,
    /// The difference may be chance.
    Open,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// Changes whose end is known.
    pub changes: usize,
    /// Who is better.
    pub verdict: Verdict,
    /// Arm by arm and way by way; the first of each arm is all of it.
    pub lines: Vec<Line>,
    /// Both arms; none where one of them has no change.
    pub by_lot: Option<ByLot>,
    /// What the model's own probabilities say; none where it held nothing.
    pub estimated: Option<Estimated>,
    /// People against the model on the same changes; none where nobody spoke.
    pub people: Option<Against>,
}

/// Reckons.
#[must_use]
pub fn ledger(rows: &[Row]) -> Ledger {
    let by_lot = by_lot(rows);
    Ledger {
        changes: rows.len(),
        verdict: verdict(rows, by_lot.as_ref()),
        lines: lines(rows),
        by_lot,
        estimated: estimated(rows),
        people: against(rows),
    }
}

fn count(rows: &[&Row], is: impl Fn(&Row) -> bool) -> u64 {
    rows.iter().filter(|row| is(row)).count() as u64
}

fn share(rows: &[&Row], is: impl Fn(&Row) -> bool) -> Share {
    Share::of(count(rows, is), rows.len() as u64, CONFIDENCE)
}

/// The sum of a cost over those that bear it; none where it is not known of one of them.
fn cost(rows: &[&Row], bears: impl Fn(&Row) -> bool, of: impl Fn(&Costs) -> f64) -> Option<f64> {
    let sum: Option<f64> = rows.iter().filter(|row| bears(row)).map(|row| row.costs.as_ref().map(&of)).sum();
    // A sum of nothing is minus nought.
    sum.map(|sum| sum + 0.0)
}

fn lines(rows: &[Row]) -> Vec<Line> {
    let mut lines = vec![];
    for arm in [None, Some(Arm::Model), Some(Arm::People)] {
        for way in [None, Some(Way::Quick), Some(Way::Standard), Some(Way::Held)] {
            let of: Vec<&Row> = rows.iter().filter(|row| row.arm == arm && way.is_none_or(|way| row.way == way)).collect();
            if !of.is_empty() {
                lines.push(line(arm, way, &of));
            }
        }
    }
    lines
}

fn line(arm: Option<Arm>, way: Option<Way>, rows: &[&Row]) -> Line {
    let in_vain = |row: &Row| row.held && !row.hurt;
    let through = |row: &Row| !row.held && row.hurt;
    let both = |row: &Row| row.held && row.hurt;
    let known = rows.iter().all(|row| row.costs.is_some());
    let cost = |bears: fn(&Row) -> bool, of: fn(&Costs) -> f64| known.then(|| cost(rows, bears, of)).flatten();
    Line {
        arm,
        way,
        changes: rows.len() as u64,
        never_in: count(rows, |row| !row.came_in),
        hurt: share(rows, |row| row.hurt),
        held: count(rows, |row| row.held),
        in_vain: count(rows, in_vain),
        delay_cost: cost(in_vain, |costs| costs.delay),
        through: count(rows, through),
        through_cost: cost(through, |costs| costs.incident),
        held_and_hurt: count(rows, both),
        held_and_hurt_cost: cost(both, |costs| costs.incident),
    }
}

fn estimated(rows: &[Row]) -> Option<Estimated> {
    let held: Vec<&Row> = rows.iter().filter(|row| row.arm != Some(Arm::People) && row.way == Way::Held).collect();
    if held.is_empty() {
        return None;
    }
    let over = |of: &dyn Fn(&Row, f64) -> f64| {
        let at = |chance: fn(&Row) -> f64| held.iter().map(|row| of(row, chance(row))).sum::<f64>();
        Estimate { value: at(|row| row.probability), low: at(|row| row.interval[0]), high: at(|row| row.interval[1]) }
    };
    let net = |row: &Row, chance: f64| row.costs.map_or(f64::NAN, |costs| chance * costs.incident - (1.0 - chance) * costs.delay);
    Some(Estimated {
        held: held.len() as u64,
        failures: over(&|_, chance| chance),
        net: held.iter().all(|row| row.costs.is_some()).then(|| over(&net)),
    })
}

fn side(rows: &[&Row]) -> Side {
    Side {
        changes: rows.len() as u64,
        never_in: count(rows, |row| !row.came_in),
        failures: share(rows, |row| row.hurt),
        held: share(rows, |row| row.held),
        in_vain: share(rows, |row| row.held && !row.hurt),
    }
}

/// Mean of a cost over some rows; none where it is not known of one of them.
fn mean(rows: &[&Row], of: impl Fn(&Costs) -> f64) -> Option<f64> {
    (!rows.is_empty()).then(|| cost(rows, |_| true, of).map(|sum| sum / rows.len() as f64))?
}

fn by_lot(rows: &[Row]) -> Option<ByLot> {
    let of = |arm: Arm| rows.iter().filter(|row| row.arm == Some(arm)).collect::<Vec<&Row>>();
    let (by_model, by_people) = (of(Arm::Model), of(Arm::People));
    if by_model.is_empty() || by_people.is_empty() {
        return None;
    }
    let (model, people) = (side(&by_model), side(&by_people));
    let drawn: Vec<&Row> = by_model.iter().chain(&by_people).copied().collect();
    let costs = mean(&drawn, |costs| costs.incident).zip(mean(&drawn, |costs| costs.delay));
    // A failure costs an incident whoever let it through; of shares that exclude each other the interval is rather too wide.
    let saved = costs.and_then(|(incident, delay)| {
        sum(&[(incident, people.failures), (-incident, model.failures), (delay, people.in_vain), (-delay, model.in_vain)])
    });
    let mut drawn_at: Vec<f64> = drawn.iter().filter_map(|row| row.model_share).collect();
    drawn_at.sort_by(f64::total_cmp);
    drawn_at.dedup();
    Some(ByLot {
        model,
        people,
        failures: sum(&[(1.0, model.failures), (-1.0, people.failures)])?,
        held: sum(&[(1.0, model.held), (-1.0, people.held)])?,
        saved,
        avoided: avoided(&by_model, &by_people, costs.map(|(incident, _)| incident)),
        drawn_at,
    })
}

/// The model's way is known before the lot is: those that it would hold are alike in both arms.
fn avoided(by_model: &[&Row], by_people: &[&Row], incident: Option<f64>) -> Option<Avoided> {
    let would_hold = |rows: &[&Row]| {
        let of: Vec<&Row> = rows.iter().filter(|row| row.way == Way::Held).copied().collect();
        share(&of, |row| row.hurt)
    };
    let (held, by_people) = (would_hold(by_model), would_hold(by_people));
    let difference = sum(&[(1.0, by_people), (-1.0, held)])?;
    let times = |of: Estimate, factor: f64| Estimate { value: of.value * factor, low: of.low * factor, high: of.high * factor };
    let failures = times(difference, held.rows as f64);
    Some(Avoided { held, by_people, difference, failures, cost: incident.map(|incident| times(failures, incident)) })
}

fn verdict(rows: &[Row], by_lot: Option<&ByLot>) -> Verdict {
    if rows.is_empty() {
        return Verdict::NothingRecorded;
    }
    if rows.iter().all(|row| row.arm.is_none()) {
        return Verdict::NotDrawn;
    }
    let Some(lot) = by_lot else { return Verdict::TooFew };
    let sides = [lot.model, lot.people];
    if sides.iter().any(|side| side.changes < ARM_ROWS_MIN) {
        return Verdict::TooFew;
    }
    if sides.iter().any(|side| side.never_in as f64 > NEVER_IN_SHARE_MAX * side.changes as f64) {
        return Verdict::NotJoined;
    }
    if lot.drawn_at.len() > 1 {
        return Verdict::DrawnUnequally;
    }
    // Without costs fewer failures are better, however much waits for it: the shares stand beside.
    let gain = lot.saved.unwrap_or(Estimate { value: -lot.failures.value, low: -lot.failures.high, high: -lot.failures.low });
    match gain {
        Estimate { low, .. } if low > 0.0 => Verdict::Model,
        Estimate { high, .. } if high < 0.0 => Verdict::People,
        _ => Verdict::Open,
    }
}
