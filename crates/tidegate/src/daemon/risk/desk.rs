//! What was read last, and what was told of it.

use super::{change, overview};
use crate::clock;
use crate::daemon::api::Api;
use crate::steps::risk::{Beside, Files, Kept, Labelled, NotKept, Reviews, Told as Tools, files, head, labels, read, unread};
use crate::workspace::Opened;
use anyhow::Result;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidegate_console::view::risk::{RiskChange, RiskView};
use tidegate_core::correction::{Corrections, Ended, State as Corrected};
use tidegate_core::delivery::Event;
use tidegate_core::id::At;
use tidegate_core::worth::{Said, State as SaidOf, Subject};
use tidegate_history::{ChangeNumber, Id};
use tidegate_learn::Pairs;

/// What deliveries say is read again after so long.
const DELIVERIES_MS: u64 = 60_000;
/// Told changes that are kept.
const CHANGES_MAX: usize = 32;
/// Commits that are counted as unread; of more it is said that there are more.
pub const UNREAD_MAX: usize = 1_000;

/// What a change's page tells, or why there is none.
type Told = Arc<Result<RiskChange, String>>;

/// By what is told whether anything is another.
#[derive(Clone, PartialEq)]
struct Key {
    files: Files,
    head: Option<Id>,
    corrected: Corrected,
    tools: Arc<Tools>,
    /// Nothing where no lot is drawn.
    said: Arc<SaidOf>,
}

/// All that pages are made of.
pub struct Shown {
    key: Key,
    /// When what other tools told was read, in milliseconds.
    delivered: AtomicI64,
    pub kept: Arc<Result<Kept, NotKept>>,
    pub labels: HashMap<ChangeNumber, Labelled>,
    /// What a forge told of changes.
    pub reviews: Reviews,
    pub opened: Arc<Opened>,
    pub head: Option<Id>,
    /// Commits behind what was read: none where the history ends at what is checked out, or before it.
    pub unread: Option<Option<usize>>,
    /// Made when first asked for.
    pub pairs: OnceLock<Option<Pairs>>,
    /// Numbers of changes whose end is known, oldest first, each with where it lies.
    pub scaled: OnceLock<Vec<(ChangeNumber, Vec<f64>)>>,
    /// All but what the model was worth.
    overview: OnceLock<RiskView>,
    /// With what it was worth, by what was said.
    whole: Mutex<Option<(Arc<SaidOf>, Arc<RiskView>)>>,
    changes: Mutex<VecDeque<(String, Told)>>,
}

impl Shown {
    /// Whether what the model says of a change is kept back: people decide about it by lot, nobody has, and its end is not known.
    pub fn keeps_back(&self, number: ChangeNumber, commit: &Id) -> bool {
        let Some(trial) = &self.opened.config.risk.trial else { return false };
        let ended = self.labels.get(&number).is_some_and(|label| label.ended != Ended::Unknown);
        let subject = Subject { named: None, commits: vec![commit.to_string()] };
        !ended && self.key.said.stand(&subject, trial).kept_back
    }

    /// What was told of changes in forges.
    pub fn told(&self) -> &[Event] {
        &self.key.tools.changes
    }

    /// The model, the newest changes, and what it was worth: that alone is another where something was said.
    fn overview(&self, said: &Arc<SaidOf>) -> Arc<RiskView> {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = whole.as_ref().filter(|(of, _)| of == said) {
            return view.clone();
        }
        let model = self.overview.get_or_init(|| overview::view(self));
        let view = Arc::new(RiskView { worth: overview::worth(self, said), ..model.clone() });
        *whole = Some((said.clone(), view.clone()));
        view
    }
}

/// What models and people said of changes.
async fn said(api: &Api) -> Result<Arc<SaidOf>> {
    Ok(Arc::new(api.plane.control().state::<Said>(Said::STREAM.to_owned()).await?))
}

/// The pages' own memory. Cloning gives another handle.
#[derive(Clone, Default)]
pub struct Desk(Arc<tokio::sync::Mutex<Option<Arc<Shown>>>>);

impl Desk {
    /// The model and the newest changes.
    ///
    /// # Errors
    /// When what people or deliveries say cannot be read.
    pub async fn overview(&self, api: &Api) -> Result<Arc<RiskView>> {
        let said = said(api).await?;
        let drawn = api.opened.config.risk.trial.as_ref().map(|_| said.clone());
        self.told(api, drawn.unwrap_or_default(), move |shown| shown.overview(&said)).await
    }

    /// One change, or why there is none; nothing at all without a model.
    ///
    /// # Errors
    /// When what people or deliveries say cannot be read.
    pub async fn change(&self, api: &Api, commit: String) -> Result<Option<Told>> {
        let said = if api.opened.config.risk.trial.is_some() { said(api).await? } else { Arc::default() };
        self.told(api, said, move |shown| {
            let kept = shown.kept.as_ref().as_ref().ok()?;
            let told = || shown.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let known = told().iter().find(|(id, _)| *id == commit).map(|(_, told)| told.clone());
            Some(known.unwrap_or_else(|| {
                let view: Told = Arc::new(change::view(shown, kept, &commit));
                let mut told = told();
                told.push_back((commit.clone(), view.clone()));
                if told.len() > CHANGES_MAX {
                    told.pop_front();
                }
                view
            }))
        })
        .await
    }

    /// Reads what is another, and tells of it; one at a time, on a thread that may take its time.
    async fn told<T, Tell>(&self, api: &Api, said: Arc<SaidOf>, tell: Tell) -> Result<T>
    where
        T: Send + 'static,
        Tell: FnOnce(&Shown) -> T + Send + 'static,
    {
        let corrected = api.plane.control().state::<Corrections>(Corrections::STREAM.to_owned()).await?;
        let (opened, now) = (api.opened.clone(), clock::now());
        let mut last = self.0.lock().await;
        let previous = last.clone();
        let work = move || -> Result<(Arc<Shown>, T)> {
            let shown = shown(opened, (corrected, said), now, previous)?;
            let told = tell(&shown);
            Ok((shown, told))
        };
        let (shown, told) = tokio::task::spawn_blocking(work).await??;
        *last = Some(shown);
        Ok(told)
    }
}

fn shown(opened: Arc<Opened>, (corrected, said): (Corrected, Arc<SaidOf>), now: At, previous: Option<Arc<Shown>>) -> Result<Arc<Shown>> {
    let root = opened.places.root.clone();
    let last_read = |previous: &Shown| At(previous.delivered.load(Ordering::SeqCst));
    // A clock that was set back makes nothing fresh.
    let fresh = |read: At| read <= now && now.since_ms(read) < DELIVERIES_MS;
    let fresh = previous.as_ref().filter(|previous| fresh(last_read(previous)));
    let (tools, delivered) = match fresh {
        Some(previous) => (previous.key.tools.clone(), last_read(previous)),
        None => (Arc::new(Tools::to(&opened.places, now.0)?), now),
    };
    let head = head(&root);
    let key = Key { files: files(&root), head, corrected, tools, said };
    if let Some(same) = previous.as_ref().filter(|previous| previous.key == key) {
        same.delivered.store(delivered.0, Ordering::SeqCst);
        return Ok(same.clone());
    }
    let kept = match previous.filter(|previous| previous.key.files == key.files) {
        Some(previous) => previous.kept.clone(),
        None => Arc::new(read(&root, &opened.config.risk)),
    };
    let (mut labelled, mut reviews, mut behind) = (HashMap::new(), Reviews::default(), None);
    if let Ok(kept) = kept.as_ref() {
        let beside = Beside::new(key.corrected.clone(), Tools::clone(&key.tools));
        labelled = labels(&kept.mined, &beside).0.into_iter().collect();
        if Reviews::asked_by(&kept.model) {
            reviews = key.tools.reviews(&kept.mined);
        }
        let tip = kept.mined.tip();
        let later = head.filter(|head| kept.mined.number(head).is_none());
        behind = later.map(|head| unread(&root, &tip, &head, UNREAD_MAX + 1));
    }
    Ok(Arc::new(Shown {
        key,
        delivered: AtomicI64::new(delivered.0),
        kept,
        labels: labelled,
        reviews,
        opened,
        head,
        unread: behind,
        pairs: OnceLock::new(),
        scaled: OnceLock::new(),
        overview: OnceLock::new(),
        whole: Mutex::default(),
        changes: Mutex::default(),
    }))
}
