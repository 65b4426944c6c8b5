//! `tidegate risk worth`: what the model came to.

use super::super::Context;
use super::super::events::begins;
use super::{policy, reading};
use crate::clock;
use crate::exit;
use crate::past;
use crate::show::{self, progress::Progress, style};
use crate::steps::deliveries;
use crate::steps::risk::{Beside, Ends, Folder, labels, worth as reckon};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use tidegate_core::id::At;
use tidegate_core::risk::Way;
use tidegate_core::worth::{Against, ByLot, Estimate, Estimated, Line, Nearer, Said, Share, Verdict, Worth};

/// Of what.
#[derive(Debug, Args)]
pub struct WorthArgs {
    /// Only what was said from this time on, as 2026-03-01 or 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

pub(super) fn worth(context: &Context, args: &WorthArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let since = begins("tell what the model is worth", &args.since, "--since")?.map(At);
    let drawn = policy(&repository)?.trial.is_some();
    let places = workspace::places(&repository)?;
    let said = past::state::<Said>(&places, Said::STREAM)?;
    let beside = Beside::of(&places, clock::now().0)?;
    let events = deliveries::events(&places)?;
    let progress = Progress::new(context.json);
    let mined = Folder::of(&repository).history(&repository, &reading(&progress), &show::note);
    progress.clear();
    let mined = mined?;
    let ended = labels(&mined, &beside).0.into_iter().collect();
    let of = reckon(&said, &Ends::new(&mined, &ended, &events), since, drawn);
    if context.json {
        show::json(&of)?;
    } else {
        told(&of)?;
    }
    Ok(exit::OK)
}

fn told(of: &Worth) -> Result<()> {
    show::line(&counted(of))?;
    if !of.ledger.lines.is_empty() {
        show::line(&lines(&of.ledger.lines))?;
    }
    if let Some(words) = of.kept_back_words() {
        show::line(&words)?;
    }
    for sentence in of.ledger.by_lot.iter().flat_map(by_lot) {
        show::line(&sentence)?;
    }
    if let Some(estimated) = &of.ledger.estimated {
        show::line(&estimate(estimated))?;
    }
    for sentence in of.ledger.people.iter().flat_map(people) {
        show::line(&sentence)?;
    }
    show::line(&verdict(of.ledger.verdict))
}

fn counted(of: &Worth) -> String {
    let reasons = of.left.words().map(|words| format!("; not counted: {words}")).unwrap_or_default();
    format!("{} changes of which something was said, {} of them old enough, by {} models{reasons}", of.spoken, of.ledger.changes, of.models)
}

fn share(of: &Share) -> String {
    of.estimate.map_or_else(
        || "-".to_owned(),
        |share| format!("{} of {}: {:.1} % ({:.1} to {:.1})", of.hits, of.rows, share * 100.0, of.low * 100.0, of.high * 100.0),
    )
}

fn cost(count: u64, cost: Option<f64>) -> String {
    cost.map_or_else(|| count.to_string(), |cost| format!("{count}, cost {cost:.1}"))
}

fn lines(of: &[Line]) -> String {
    let row = |line: &Line| {
        let way = match line.way {
            None => "all",
            Some(Way::Quick) => "quick",
            Some(Way::Standard) => "standard",
            Some(Way::Held) => "held",
        };
        vec![
            line.decided_by().to_owned(),
            way.to_owned(),
            line.changes.to_string(),
            share(&line.hurt),
            line.held.to_string(),
            cost(line.in_vain, line.delay_cost),
            cost(line.through, line.through_cost),
            cost(line.held_and_hurt, line.held_and_hurt_cost),
        ]
    };
    let heads =
        ["Decided by", "Way by the model", "Changes", "Hurt", "Waited", "of these for nothing", "Hurt and had not waited", "Hurt and had"];
    show::table(&heads, of.iter().map(row).collect())
}

fn shares(of: Estimate) -> String {
    format!("{:+.1} points ({:+.1} to {:+.1})", of.value * 100.0, of.low * 100.0, of.high * 100.0)
}

fn plain(of: Estimate) -> String {
    format!("{:.1} ({:.1} to {:.1})", of.value, of.low, of.high)
}

fn by_lot(of: &ByLot) -> Vec<String> {
    let mut told = vec![format!(
        "by lot, the model ({} changes) less people ({}): failures {}, changes that waited {}",
        of.model.changes,
        of.people.changes,
        shares(of.failures),
        shares(of.held)
    )];
    let out = of.model.never_in + of.people.never_in;
    if out > 0 {
        told.push(format!("  {out} of them never came in: they have hurt nobody, and count so"));
    }
    if let Some(saved) = of.saved {
        let all = of.model.changes as f64;
        told.push(format!(
            "  saved by the model, for each change {:.3} ({:.3} to {:.3}), on all that it decided {:.1}",
            saved.value,
            saved.low,
            saved.high,
            saved.value * all
        ));
    }
    if let Some(avoided) = &of.avoided {
        let cost = avoided.cost.map(|cost| format!(", which would have cost {}", plain(cost))).unwrap_or_default();
        told.push(format!(
            "  failures avoided by holding: {}{cost}; of what the model would hold {} hurt where people decided, and {} where it waited",
            plain(avoided.failures),
            share(&avoided.by_people),
            share(&avoided.held)
        ));
    }
    if of.drawn_at.len() > 1 {
        let drawn: Vec<String> = of.drawn_at.iter().map(ToString::to_string).collect();
        told.push(format!("  the lot was drawn at several shares ({}): tell one of them alone with --since", drawn.join(", ")));
    }
    told
}

fn estimate(of: &Estimated) -> String {
    let net = of.net.map(|net| format!("; net of delay worth {}, if holding keeps every failure away", plain(net))).unwrap_or_default();
    format!(
        "an estimate by the model's own probabilities: {} failures among the {} changes that it held{net}. What was held was chosen: how many of them would have hurt cannot be told from it",
        plain(of.failures),
        of.held
    )
}

fn people(of: &Against) -> Vec<String> {
    let late = if of.late == 0 { String::new() } else { format!("; {} judged only after they were told do not count", of.late) };
    let mut told =
        vec![format!("people and the model both spoke of {} changes, {} with a risk ({} hurt){late}", of.both, of.with_risk, of.hurt)];
    if let (Some(model), Some(people), Some(auc)) = (of.model_auc, of.people_auc, of.auc) {
        told.push(format!(
            "  AUC of the model {:.3} ({:.3} to {:.3}), of people {:.3} ({:.3} to {:.3}), difference {:+.3} ({:+.3} to {:+.3})",
            model.estimate, model.low, model.high, people.estimate, people.low, people.high, auc.estimate, auc.low, auc.high
        ));
    }
    if let Some(brier) = of.brier {
        let nearer = match of.nearer {
            Nearer::Model => "the model's are nearer to what happens",
            Nearer::People => "those of people are nearer to what happens",
            Nearer::Open => "whose are nearer cannot be told",
        };
        let d = brier.difference;
        told.push(format!(
            "  Brier score of the model {:.4}, of people {:.4}, difference {:+.4} ({:+.4} to {:+.4}): {nearer}",
            brier.first, brier.second, d.value, d.low, d.high
        ));
    }
    if of.agree.rows > 0 {
        told.push(format!(
            "  they decide the same about {}; where not, the model was right {} times and people {}",
            share(&of.agree),
            of.model_right,
            of.people_right
        ));
    }
    told
}

fn verdict(of: Verdict) -> String {
    match of {
        Verdict::Model => style::good(&of.to_string()).to_string(),
        Verdict::People => style::bad(&of.to_string()).to_string(),
        _ => of.to_string(),
    }
}
