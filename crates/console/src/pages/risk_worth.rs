//! What the model was worth, on the page of risks: what was said of changes, held against what became of them. What is not known is said
//! to be; what is kept back never reaches this page.

use super::risk::way;
use crate::chart::risk::{self as chart, Ranged};
use crate::layout::{badge, table, text};
use crate::view::risk::Interval;
use maud::{Markup, html};
use tidegate_core::risk::Way;
use tidegate_core::worth::{Against, ByLot, Estimate, Estimated, Ledger, Line, Nearer, Share, Verdict, Worth};

const NOT_KNOWN: &str = "not known";

/// The part.
pub(super) fn part(of: &Worth) -> Markup {
    let ledger = &of.ledger;
    html! {
        section {
            h2 { "What it was worth" }
            p.quiet { (counted(of)) }
            p { (verdict(ledger.verdict)) }
            @if let Some(words) = of.kept_back_words() { p { (badge("mark", "kept back")) " " (capital(&words)) "." } }
            @if !ledger.lines.is_empty() {
                (picture(&ledger.lines))
                (lines(&ledger.lines))
                (by_lot(ledger, of.kept_back > 0))
                (estimated(ledger.estimated.as_ref()))
                (people(ledger.people.as_ref()))
            }
        }
    }
}

fn counted(of: &Worth) -> String {
    let left = of.left.words().map(|words| format!(" Not counted: {words}.")).unwrap_or_default();
    format!(
        "Something was said of {} changes; {} of them are old enough to count, by {} models.{left} How changes ended is known up to what was read of the history.",
        of.spoken, of.ledger.changes, of.models
    )
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn verdict(of: Verdict) -> Markup {
    let (colour, word) = match of {
        Verdict::Model => ("good", "the model"),
        Verdict::People => ("bad", "people"),
        Verdict::NothingRecorded => ("mark", "nothing yet"),
        Verdict::NotDrawn | Verdict::TooFew | Verdict::NotJoined | Verdict::DrawnUnequally | Verdict::Open => ("mark", NOT_KNOWN),
    };
    html! { (badge(colour, word)) " " (capital(&of.to_string())) "." }
}

fn share(of: &Share) -> String {
    let told = |share: f64| format!("{} of {}: {:.1} % ({:.1} to {:.1})", of.hits, of.rows, share * 100.0, of.low * 100.0, of.high * 100.0);
    of.estimate.map_or_else(|| NOT_KNOWN.to_owned(), told)
}

/// Shares that hurt, of those of which there is one.
fn picture(of: &[Line]) -> Markup {
    let one = |line: &Line| {
        let way = match line.way {
            None => "all",
            Some(Way::Quick) => "quick",
            Some(Way::Standard) => "standard",
            Some(Way::Held) => "held",
        };
        let at = Interval { estimate: line.hurt.estimate?, low: line.hurt.low, high: line.hurt.high };
        Some(Ranged { name: format!("{}: {way}", line.decided_by()), at })
    };
    let drawn: Vec<Ranged> = of.iter().filter_map(one).collect();
    chart::shares("Share that hurt, by who decided and the way by the model (bar: interval of 95 %)", &drawn)
}

fn lines(of: &[Line]) -> Markup {
    // What nobody said the cost of has not cost nothing.
    let cost = |count: u64, cost: Option<f64>| match cost {
        Some(cost) => format!("{count}, cost {cost:.1}"),
        None if count > 0 => format!("{count}, cost {NOT_KNOWN}"),
        None => count.to_string(),
    };
    let row = |line: &Line| {
        let never_in = if line.never_in > 0 { format!(", {} never came in", line.never_in) } else { String::new() };
        vec![
            text(line.decided_by()),
            line.way.map_or_else(|| text("all"), way),
            text(format!("{}{never_in}", line.changes)),
            text(share(&line.hurt)),
            text(line.held),
            text(cost(line.in_vain, line.delay_cost)),
            text(cost(line.through, line.through_cost)),
            text(cost(line.held_and_hurt, line.held_and_hurt_cost)),
        ]
    };
    let heads = [
        "Decided by",
        "Way by the model",
        "Changes",
        "Hurt",
        "Waited",
        "Of these for nothing",
        "Hurt and had not waited",
        "Hurt and had waited",
    ];
    table("What was decided, and what became of it", &heads, &of.iter().map(row).collect::<Vec<_>>())
}

/// A figure that may not be known, with why not.
struct Figure {
    name: &'static str,
    of: Option<Estimate>,
    told: fn(f64) -> String,
    unit: &'static str,
    from: String,
}

impl Figure {
    fn cells(&self) -> Vec<Markup> {
        let chance = |of: Estimate| if of.low > 0.0 || of.high < 0.0 { "not by chance" } else { "may be chance" };
        let told = |of: Estimate| format!("{}{} ({} to {})", (self.told)(of.value), self.unit, (self.told)(of.low), (self.told)(of.high));
        vec![
            text(self.name),
            self.of.map_or_else(|| badge("mark", NOT_KNOWN), |of| text(told(of))),
            text(self.of.map_or("", chance)),
            text(&self.from),
        ]
    }
}

fn points(share: f64) -> String {
    format!("{:+.1}", share * 100.0)
}

fn by_lot(ledger: &Ledger, kept_back: bool) -> Markup {
    let Some(lot) = &ledger.by_lot else {
        return html! {
            p { (badge("mark", NOT_KNOWN)) " How many failures holding avoids: that takes changes of the model and of people, drawn by lot (" code { "risk.trial" } ")." }
        };
    };
    let interval = |of: Estimate| Interval { estimate: of.value, low: of.low, high: of.high };
    let drawn = [
        Ranged { name: "failures".to_owned(), at: interval(lot.failures) },
        Ranged { name: "changes that waited".to_owned(), at: interval(lot.held) },
    ];
    let rows: Vec<Vec<Markup>> = figures(lot, kept_back).iter().map(Figure::cells).collect();
    let never_in = lot.model.never_in + lot.people.never_in;
    html! {
        (chart::differences("The model less people, by lot, in points (bar: interval of 95 %; left: fewer by the model)", &drawn))
        (table("The model beside people, by lot", &["What", "How much", "By chance", "From"], &rows))
        @if never_in > 0 { p.quiet { (never_in) " of them never came in: they have hurt nobody, and count so." } }
        @if lot.drawn_at.len() > 1 {
            p { (badge("warn", "several shares")) " The lot was drawn at " (lot.drawn_at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) ": " code { "tidegate risk worth --since" } " tells one of them alone." }
        }
    }
}

fn figures(lot: &ByLot, kept_back: bool) -> [Figure; 5] {
    let both = |model: &Share, people: &Share| format!("the model {}; people {}", share(model), share(people));
    let no_costs = "what mistakes cost (risk.costs) was not known of each of them";
    let avoided = match &lot.avoided {
        Some(of) => {
            format!("of what the model would hold hurt {} where people decided, {} where it waited", share(&of.by_people), share(&of.held))
        }
        None if kept_back => "kept back: people have yet to decide".to_owned(),
        None => "one side has no change that the model would hold".to_owned(),
    };
    let cost = lot.avoided.as_ref().and_then(|of| of.cost);
    let cost_from = match &lot.avoided {
        Some(_) if cost.is_some() => "at the mean cost of a failure",
        Some(_) => no_costs,
        None => "as long as these are not",
    };
    [
        Figure {
            name: "Failures, more by the model",
            of: Some(lot.failures),
            told: points,
            unit: " points",
            from: both(&lot.model.failures, &lot.people.failures),
        },
        Figure {
            name: "Changes that waited, more by the model",
            of: Some(lot.held),
            told: points,
            unit: " points",
            from: both(&lot.model.held, &lot.people.held),
        },
        Figure {
            name: "Cost that the model saves, of a change",
            of: lot.saved,
            told: |value| format!("{value:+.3}"),
            unit: "",
            from: if lot.saved.is_some() { "at mean costs" } else { no_costs }.to_owned(),
        },
        Figure {
            name: "Failures avoided by holding",
            of: lot.avoided.map(|of| of.failures),
            told: |value| format!("{value:+.1}"),
            unit: "",
            from: avoided,
        },
        Figure { name: "What these would have cost", of: cost, told: |value| format!("{value:+.1}"), unit: "", from: cost_from.to_owned() },
    ]
}

fn plain(of: Estimate) -> String {
    format!("{:.1} ({:.1} to {:.1})", of.value, of.low, of.high)
}

fn estimated(of: Option<&Estimated>) -> Markup {
    let Some(of) = of else { return html! { p.quiet { "The model held none of those that it decided about: there is no estimate." } } };
    let net = of.net.map_or_else(
        || "; what that is worth is not known, for what mistakes cost was not".to_owned(),
        |net| format!("; net of delay worth {}, if holding keeps every failure away", plain(net)),
    );
    html! {
        p {
            (badge("mark", "an estimate")) " By the model's own probabilities " (plain(of.failures)) " failures among the " (of.held)
            " changes that it held" (net) ". What was held was chosen: how many of them would have hurt cannot be told from it."
        }
    }
}

fn people(of: Option<&Against>) -> Markup {
    let Some(of) = of else { return html! { p.quiet { "Nobody judged any of these changes: the model is not held against people." } } };
    let defined = |words: Option<String>| text(words.unwrap_or_else(|| "not defined".to_owned()));
    let told = |of: Option<[f64; 3]>| defined(of.map(|[value, low, high]| format!("{value:.3} ({low:.3} to {high:.3})")));
    let difference = |of: Option<[f64; 3]>| defined(of.map(|[value, low, high]| format!("{value:+.3} ({low:+.3} to {high:+.3})")));
    let score = |of: Option<f64>| defined(of.map(|score| format!("{score:.4}")));
    let rows = [
        vec![
            text("AUC: how well the risky ones come first"),
            told(of.model_auc.map(|of| [of.estimate, of.low, of.high])),
            told(of.people_auc.map(|of| [of.estimate, of.low, of.high])),
            difference(of.auc.map(|of| [of.estimate, of.low, of.high])),
        ],
        vec![
            text("Brier score: 0 is right each time"),
            score(of.brier.map(|of| of.first)),
            score(of.brier.map(|of| of.second)),
            difference(of.brier.map(|of| [of.difference.value, of.difference.low, of.difference.high])),
        ],
    ];
    let (colour, nearer) = match of.nearer {
        Nearer::Model => ("good", "the model's risks are nearer to what happens"),
        Nearer::People => ("bad", "risks of people are nearer to what happens"),
        Nearer::Open => ("mark", "whose risks are nearer cannot be told"),
    };
    html! {
        (table("The model beside people's judgement", &["What", "The model", "People", "The model less people"], &rows))
        p {
            (badge(colour, nearer)) " Both spoke of " (of.both) " changes, of " (of.with_risk) " with a risk (" (of.hurt) " hurt)."
            @if of.late > 0 { " " (of.late) " judged only after they were told do not count." }
            @if of.agree.rows > 0 {
                " They decide the same about " (share(&of.agree)) "; where not, the model was right " (of.model_right) " times and people " (of.people_right) "."
            } @else { " Whether they decide the same is not known: of none of these both decided." }
        }
    }
}
