//! A site: its rows, and its masks. It answers each round once.

use super::mask::{Masks, is_site_name};
use super::{BadRoster, FORMAT, Failed, Plan, PublicKey, Roster, Round, Rows, Secret, Unanswered};
use crate::Table;
use serde::{Deserialize, Serialize};

/// What a site says of itself before it is taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// See [`FORMAT`].
    pub format: u32,
    /// Its name.
    pub site: String,
    /// Its key of this training.
    pub key: PublicKey,
    /// Names of what its rows have, in their order.
    pub features: Vec<String>,
}

/// Why a site takes no part.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotJoined {
    /// The others.
    #[error(transparent)]
    Roster(#[from] BadRoster),
    /// What all agreed to means nothing.
    #[error(transparent)]
    Plan(#[from] Failed),
    /// Its rows do not fit.
    #[error(transparent)]
    Rows(#[from] Unanswered),
}

/// A site.
pub struct Site {
    rows: Rows,
    masks: Masks,
    /// Its last answer with the digest of its question: asked again, it says the same again.
    last: Option<([u8; 32], Vec<u8>)>,
    number: u64,
}

impl Hello {
    /// Of a site with this table.
    #[must_use]
    pub fn of(site: &str, table: &Table, secret: &Secret) -> Hello {
        let features = table.features().iter().map(|feature| feature.name.clone()).collect();
        Hello { format: FORMAT, site: site.to_owned(), key: secret.public(), features }
    }

    /// Whether it can be taken in to a plan.
    ///
    /// # Errors
    /// With the member that is wrong.
    pub fn check(&self, plan: &Plan) -> Result<(), String> {
        if !is_site_name(&self.site) {
            return Err(format!("site `{}`: a name has 1 to 64 letters, digits, `-`, `_` or `.`", self.site));
        }
        if self.format != FORMAT {
            let (site, format) = (&self.site, self.format);
            return Err(format!("site `{site}` speaks version {format}, this coordinator {FORMAT}: run the same release on both"));
        }
        let other = self.features.iter().zip(&plan.features).find(|(own, planned)| own != planned);
        match other {
            Some((own, planned)) => Err(format!("site `{}` has the feature `{own}` where the plan has `{planned}`", self.site)),
            None if self.features.len() != plan.features.len() => {
                Err(format!("site `{}` has {} features, the plan {}", self.site, self.features.len(), plan.features.len()))
            }
            None => Ok(()),
        }
    }
}

impl Site {
    /// A site among those of the roster; `phrase` is what the sites told each other past the coordinator, or nothing.
    ///
    /// # Errors
    /// When it is not in the roster with its own key, or its rows do not fit the plan.
    pub fn new(name: &str, table: &Table, plan: &Plan, roster: &Roster, secret: &Secret, phrase: &str) -> Result<Site, NotJoined> {
        plan.check()?;
        let masks = Masks::new(roster, name, secret, &plan.digest(roster)?, phrase)?;
        Ok(Site { rows: Rows::new(table, plan)?, masks, last: None, number: 0 })
    }

    /// Answers a round, as it came: numbers of 64 bits, the least byte first.
    ///
    /// # Errors
    /// When it is not the next one, is none, or asks for what there is not.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Unanswered> {
        let asked = *blake3::hash(bytes).as_bytes();
        if let Some((_, answer)) = self.last.as_ref().filter(|(digest, _)| *digest == asked) {
            return Ok(answer.clone());
        }
        let round: Round = serde_json::from_slice(bytes).map_err(|why| Unanswered::Json(why.to_string()))?;
        // Two questions under one number would share a mask, and their difference would stand bare.
        if round.number != self.number + 1 {
            return Err(Unanswered::Number { got: round.number, expected: self.number + 1 });
        }
        self.number = round.number;
        let mut values = self.rows.answer(&round)?.into_iter().map(super::fixed::clipped).collect::<Vec<u64>>();
        self.masks.hide(round.number, &asked, &mut values);
        let answer: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.last = Some((asked, answer.clone()));
        Ok(answer)
    }
}
