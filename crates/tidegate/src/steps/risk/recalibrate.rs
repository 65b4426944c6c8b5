//! The kept model, brought up to what became of the changes that it scored since its training: what it ranks stays, its probabilities and label
//! sets move.

use super::kept::row;
use super::labels::labels;
use super::offer::{Figures, offer};
use super::train::{From, lines_added, rows};
use super::worded::Worded;
use super::{Folder, For, History, Owners};
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tidegate_history::Mined;
use tidegate_learn::ends::Ends;
use tidegate_learn::evaluate::{Report, report};
use tidegate_learn::recalibrate::{Outcome, Recalibrated as Kept, Said, Trained, replay};
use tidegate_learn::{MODEL_BYTES_MAX, RiskModel, Row, Table};
use tidegate_store::disk;

/// Longest file of what a model knew.
const HELD_BYTES_MAX: u64 = MODEL_BYTES_MAX as u64;
const OPERATION: &str = "recalibrate the model";
/// What begins the part of a card that tells of it.
const HEADING: &str = "\n## Recalibrated\n";

/// What a model knew when it was trained, and which one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldFor<'a> {
    model: &'a str,
    /// Leaks that were found in the training.
    leaks: usize,
    trained: std::borrow::Cow<'a, Trained>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Recalibrated {
    /// Changes since the training of which the end is known; without one the model is as it was trained.
    pub outcomes: usize,
    /// Share of what was learnt from that hurt.
    pub base_rate: f64,
    /// By how much log odds are moved from where the training had them.
    pub moved: f64,
    /// Outcomes that probabilities stand on, those that the training held back among them.
    pub calibrated_on: usize,
    /// Days until an outcome is trusted.
    pub maturity_days: f64,
    /// What the model as it was trained says of these changes, and what it said of each when recalibrated with what was known by then; none where
    /// there is no outcome.
    pub said: Option<Beforehand>,
}

/// What was said of changes before their ends were known.
#[derive(Debug, Serialize)]
pub struct Beforehand {
    /// By the model as it was trained.
    pub left_alone: Report,
    /// How many of its label sets held the truth.
    pub left_alone_covered: usize,
    /// By the model as it was kept up.
    pub kept_up: Report,
    /// How many of its label sets held the truth.
    pub kept_up_covered: usize,
}

impl Folder {
    /// By how much log odds are moved since the training from which the judged changes and their figures are; 0 where nothing was.
    ///
    /// # Errors
    /// When there is no model.
    pub fn moved(&self) -> Result<f64> {
        Ok(self.read()?.training().recalibrated.map_or(0.0, |since| since.moved))
    }

    /// The same, told where it is not 0: figures of judged changes are not of what is said now.
    ///
    /// # Errors
    /// When there is no model.
    pub fn note_moved(&self, note: &dyn Fn(&str)) -> Result<f64> {
        let moved = self.moved()?;
        if moved != 0.0 {
            note(&format!("these figures are of the model as it was trained; recalibrated since, its log odds are moved by {moved:+.2}"));
        }
        Ok(moved)
    }

    fn held(&self) -> std::path::PathBuf {
        self.0.join("held.json")
    }

    /// Keeps what a model knew when it was trained.
    pub(super) fn keep_held(&self, model: &RiskModel, trained: &Trained, leaks: usize) -> Result<()> {
        let of = HeldFor { model: &model.training().digest, leaks, trained: std::borrow::Cow::Borrowed(trained) };
        Ok(disk::replace_file(&self.held(), &serde_json::to_vec(&of)?)?)
    }

    fn read_held(&self, model: &RiskModel) -> Result<(Trained, usize)> {
        let path = self.held();
        let refused = |why: &str| {
            let advice = "run `tidegate risk train` first; a model of several sites is trained anew by `tidegate risk federate`";
            failure(exit::USAGE, format!("{OPERATION}: {}: {why}: {advice}", path.display()))
        };
        let about = std::fs::metadata(&path).map_err(|why| refused(&why.to_string()))?;
        if about.len() > HELD_BYTES_MAX {
            return Err(refused(&format!("it is longer than {HELD_BYTES_MAX} bytes")));
        }
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let held: HeldFor<'_> = serde_json::from_slice(&bytes).map_err(|why| refused(&why.to_string()))?;
        if held.model != model.training().digest {
            return Err(refused("it is of another model"));
        }
        Ok((held.trained.into_owned(), held.leaks))
    }
}

/// Recalibrates the kept model. The same history gives the same model, however often it was recalibrated before.
///
/// # Errors
/// When there is no model, or none that can be.
pub fn recalibrate(repository: &Path, asked: &From<'_>, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Recalibrated> {
    let folder = Folder::of(repository);
    if !folder.model().exists() {
        let why = format!("{OPERATION}: there is no {}: run `tidegate risk train` first", folder.model().display());
        return Err(failure(exit::NOT_FOUND, why));
    }
    let _alone = folder.alone(OPERATION)?;
    let model = folder.read()?;
    let (trained, leaks) = folder.read_held(&model)?;
    let History { mined, worded } = folder.mine(repository, asked.tip, For::Keeping, seen, note)?;
    let (table, ends) = known(&folder, &model, &mined, &worded, repository, asked, note)?;
    let learnt = table.before(model.training().until.saturating_add(1));
    let since = table.slice(learnt..table.len());
    let margins = since.rows().map(|row| Ok(model.score(row)?.margin)).collect::<Result<Vec<f64>>>()?;
    let outcomes: Vec<Outcome> = (margins.iter().zip(since.at()).zip(ends.iter().skip(learnt)))
        .map(|((margin, at), ends)| Outcome::of(*at, *margin, ends.clone()))
        .collect();
    let as_trained = Kept::new(trained.clone());
    let left: Vec<Said> = outcomes.iter().map(|one| as_trained.say(one.score)).collect();
    let (said, kept) = replay(trained, &outcomes, mined.maturity.age_s);
    let maturity_days = mined.maturity.age_s as f64 / 86_400.0;
    if outcomes.is_empty() && asked.out.is_some() {
        let why = format!(
            "{OPERATION}: no change since the training has an end that can be trusted ({maturity_days:.0} days): there is nothing to hand over; take `tidegate risk train --out`"
        );
        return Err(failure(exit::NOT_PASSED, why));
    }
    let recalibrated = kept.model(&model).map_err(|why| failure(exit::USAGE, format!("{OPERATION}: {why}")))?;
    let done = Recalibrated {
        outcomes: outcomes.len(),
        base_rate: model.training().base_rate,
        moved: kept.moved(),
        calibrated_on: recalibrated.training().calibrated_on,
        maturity_days,
        said: (!outcomes.is_empty()).then(|| beforehand(&since, &left, &said)),
    };
    let card = folder.card_with(done.said.as_ref().map(|said| section(&done, said)))?;
    disk::replace_file(&folder.model(), &recalibrated.write()?)?;
    disk::replace_file(&folder.card(), card.as_bytes())?;
    if let (Some(out), Some(said)) = (asked.out, &done.said) {
        let figures = Figures { model: &said.kept_up, lines_added: &lines_added(&since), leaks };
        offer(out, &recalibrated, &table, &figures, &card)?;
    }
    Ok(done)
}

/// All changes whose end is known, as rows of a model, oldest first; and what was believed of each end.
fn known(
    folder: &Folder,
    model: &RiskModel,
    mined: &Mined,
    worded: &Worded,
    repository: &Path,
    asked: &From<'_>,
    note: &dyn Fn(&str),
) -> Result<(Table, Vec<Ends>)> {
    let owners = Owners::known(repository, asked.policy, OPERATION, note)?;
    let (labels, _) = labels(mined, asked.beside);
    let reviews = asked.beside.told().reviews(mined);
    let sayings = folder.said(model);
    let known = rows(mined, &labels, &owners, None)?;
    let mut table = Table::new(model.features().iter().map(String::as_str))?;
    for (change, label) in known.changes.iter().zip(known.table.labels()) {
        let said = worded.of(&change.id).map_or(f64::NAN, |words| sayings.of(words));
        let values = row(model, change, said, reviews.values(&change.id));
        table.push(&Row { at: change.at_s, values: &values, label: *label, effort: change.features.la + change.features.ld })?;
    }
    Ok((table, known.ends))
}

fn beforehand(table: &Table, left: &[Said], kept: &[Said]) -> Beforehand {
    let told = |said: &[Said]| report(table, &said.iter().map(|said| said.probability).collect::<Vec<f64>>(), true);
    let covered = |said: &[Said]| said.iter().zip(table.labels()).filter(|(said, hurt)| said.labels.holds(**hurt)).count();
    Beforehand { left_alone: told(left), left_alone_covered: covered(left), kept_up: told(kept), kept_up_covered: covered(kept) }
}

/// What a card tells of it.
fn section(done: &Recalibrated, said: &Beforehand) -> String {
    let error = |report: &Report| report.calibration_error.map_or_else(|| "not defined".to_owned(), |error| format!("{error:.3}"));
    format!(
        "{HEADING}\nWith the {} changes since whose end is known: log odds moved by {:+.2}; calibration error of what was said of each before its end was known {} (as it was trained: {}). What it ranks is as it was learnt. The level is that of changes as they are let in now: where the model holds what would have hurt, fewer hurt, and it says so.\n",
        done.outcomes,
        done.moved,
        error(&said.kept_up),
        error(&said.left_alone)
    )
}

impl Folder {
    /// The card of the training, with or without what a recalibration adds.
    fn card_with(&self, section: Option<String>) -> Result<String> {
        let card = self.read_card()?;
        let trained = card.split(HEADING).next().unwrap_or_default();
        Ok(format!("{trained}{}", section.unwrap_or_default()))
    }
}
