//! The kept model, brought up to what became of the changes that it scored since its training: what it ranks stays, its probabilities and label
//! sets move.

use super::kept::row;
use super::labels::{Beside, labels};
use super::offer::{Figures, offer};
use super::train::rows;
use super::{Folder, For, History, Owners};
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tidegate_learn::evaluate::{Report, report};
use tidegate_learn::recalibrate::{Outcome, Recalibrated as Kept, Said, Trained, replay};
use tidegate_learn::{RiskModel, Row, Table};
use tidegate_store::disk;
use tidegate_wire::config::RiskPolicy;

/// Longest file of what a model knew.
const HELD_BYTES_MAX: u64 = 4 << 20;
/// What begins the part of a card that tells of it.
const HEADING: &str = "\n## Recalibrated\n";

/// What a model knew when it was trained, and which one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldFor<'a> {
    model: &'a str,
    trained: std::borrow::Cow<'a, Trained>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Recalibrated {
    /// Changes since the training of which the end is known; of none nothing changes.
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
    fn held(&self) -> std::path::PathBuf {
        self.0.join("held.json")
    }

    /// Keeps what a model knew when it was trained.
    pub(super) fn keep_held(&self, model: &RiskModel, trained: &Trained) -> Result<()> {
        let of = HeldFor { model: &model.training().digest, trained: std::borrow::Cow::Borrowed(trained) };
        Ok(disk::replace_file(&self.held(), &serde_json::to_vec(&of)?)?)
    }

    fn read_held(&self, model: &RiskModel) -> Result<Trained> {
        let path = self.held();
        let refused =
            |why: &str| failure(exit::USAGE, format!("recalibrate the model: {}: {why}: run `tidegate risk train` first", path.display()));
        let about = std::fs::metadata(&path).map_err(|why| refused(&why.to_string()))?;
        if about.len() > HELD_BYTES_MAX {
            return Err(refused(&format!("it is longer than {HELD_BYTES_MAX} bytes")));
        }
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let held: HeldFor<'_> = serde_json::from_slice(&bytes).map_err(|why| refused(&why.to_string()))?;
        if held.model != model.training().digest {
            return Err(refused("it is of another model"));
        }
        Ok(held.trained.into_owned())
    }
}

/// What is asked for.
pub struct Asked<'a> {
    /// Up to this revision.
    pub tip: &'a str,
    /// What people and deliveries say.
    pub beside: &'a Beside,
    /// Whose changes are left out.
    pub policy: &'a RiskPolicy,
    /// Where the model is written as well.
    pub out: Option<&'a Path>,
}

/// Recalibrates the kept model. The same history gives the same model, however often it was recalibrated before.
///
/// # Errors
/// When there is no model, or none that can be.
pub fn recalibrate(repository: &Path, asked: &Asked<'_>, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Recalibrated> {
    let folder = Folder::of(repository);
    folder.read()?;
    let _alone = folder.alone("recalibrate the model")?;
    // Read once more: who held it before may have trained another one.
    let model = folder.read()?;
    let trained = folder.read_held(&model)?;
    let History { mined, worded } = folder.mine(repository, asked.tip, For::Keeping, seen, note)?;
    let owners = Owners::known(repository, asked.policy, "recalibrate the model", note)?;
    let (labels, _) = labels(&mined, asked.beside);
    let reviews = asked.beside.told().reviews(&mined);
    let sayings = folder.said(&model);
    let known = rows(&mined, &labels, &owners, None)?;
    let mut table = Table::new(model.features().iter().map(String::as_str))?;
    for (place, change) in known.changes.iter().enumerate().filter(|(_, change)| change.at_s > model.training().until) {
        let said = worded.of(&change.id).map_or(f64::NAN, |words| sayings.of(words));
        let values = row(&model, change, said, reviews.values(&change.id));
        let (label, effort) = (known.table.labels().get(place).copied().unwrap_or_default(), change.features.la + change.features.ld);
        table.push(&Row { at: change.at_s, values: &values, label, effort })?;
    }
    let scored = table.rows().map(|row| model.score(row)).collect::<Result<Vec<_>, _>>()?;
    let outcomes: Vec<Outcome> =
        (scored.iter().zip(table.at()).zip(table.labels())).map(|((scored, at), hurt)| Outcome::of(*at, scored.margin, *hurt)).collect();
    let as_trained = Kept::new(trained.clone());
    let left: Vec<Said> = outcomes.iter().map(|one| as_trained.say(one.score)).collect();
    let (said, kept) = replay(trained, &outcomes, mined.maturity.age_s);
    let base_rate = model.training().base_rate;
    let maturity_days = mined.maturity.age_s as f64 / 86_400.0;
    if outcomes.is_empty() {
        return Ok(Recalibrated {
            outcomes: 0,
            base_rate,
            moved: 0.0,
            calibrated_on: model.training().calibrated_on,
            maturity_days,
            said: None,
        });
    }
    let model = kept.model(&model).map_err(|why| failure(exit::USAGE, format!("recalibrate the model: {why}")))?;
    let done = Recalibrated {
        outcomes: outcomes.len(),
        base_rate,
        moved: kept.moved(),
        calibrated_on: model.training().calibrated_on,
        maturity_days,
        said: Some(beforehand(&table, &left, &said)),
    };
    keep(&folder, &model, &table, &done, asked.out)?;
    Ok(done)
}

fn beforehand(table: &Table, left: &[Said], kept: &[Said]) -> Beforehand {
    let told = |said: &[Said]| report(table, &said.iter().map(|said| said.probability).collect::<Vec<f64>>(), true);
    let covered = |said: &[Said]| said.iter().zip(table.labels()).filter(|(said, hurt)| said.labels.holds(**hurt)).count();
    Beforehand { left_alone: told(left), left_alone_covered: covered(left), kept_up: told(kept), kept_up_covered: covered(kept) }
}

/// Writes the model, and what its card tells of it.
fn keep(folder: &Folder, model: &RiskModel, table: &Table, done: &Recalibrated, out: Option<&Path>) -> Result<()> {
    let Some(said) = &done.said else { return Ok(()) };
    let card = folder.read_card()?;
    let trained = card.split(HEADING).next().unwrap_or_default();
    let error = |report: &Report| report.calibration_error.map_or_else(|| "not defined".to_owned(), |error| format!("{error:.3}"));
    let card = format!(
        "{trained}{HEADING}\nWith the {} changes since whose end is known: log odds moved by {:+.2}; calibration error of what was said of each before its end was known {} (as it was trained: {}). What it ranks is as it was learnt.\n",
        done.outcomes,
        done.moved,
        error(&said.kept_up),
        error(&said.left_alone)
    );
    disk::replace_file(&folder.model(), &model.write()?)?;
    disk::replace_file(&folder.card(), card.as_bytes())?;
    if let Some(out) = out {
        let la = table.column("la");
        let lines: Vec<f64> = table.rows().map(|row| la.and_then(|la| row.get(la)).copied().unwrap_or_default()).collect();
        let figures = Figures { model: &said.kept_up, lines_added: &report(table, &lines, false), leaks: None };
        offer(out, model, table, &figures, &card)?;
    }
    Ok(())
}
