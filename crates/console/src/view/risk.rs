//! What the pages about the risk of changes show. Commits, paths and times alone: no person is named, no message told.

use serde::Serialize;
use tidegate_core::correction::Ended;
use tidegate_core::id::At;
use tidegate_core::risk::Way;
use tidegate_core::worth::Worth;

/// Whether there is anything to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// There is.
    #[default]
    Ready,
    /// Nothing was trained yet.
    NoModel,
    /// The model's file is none.
    ModelDamaged,
    /// What was read of the history is not there, or cannot be read.
    HistoryUnreadable,
    /// Owners have opted out, and it is not known whose paths are whose.
    OwnersUnknown,
}

/// The model of a repository and its newest changes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RiskView {
    /// Whether there is anything to tell.
    pub stand: Stand,
    /// Why not, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The command that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What may be wrong with what is told, in sentences.
    pub notes: Vec<String>,
    /// What the model was trained on.
    pub model: Option<ModelFacts>,
    /// How good it was on later changes.
    pub judged: Option<JudgedFigures>,
    /// Which features move it most, over all.
    pub importance: Vec<Importance>,
    /// Over how many of the newest judged changes.
    pub importance_of: usize,
    /// Whether what moves it is what moved it before; none where too few changes tell.
    pub reasons: Option<Reasons>,
    /// What the model came to; none where there is nothing to tell it by.
    pub worth: Option<Worth>,
    /// What came after what was read.
    pub unread: Option<Unread>,
    /// The newest changes, newest first.
    pub changes: Vec<RiskRow>,
}

/// What a model was trained on.
#[derive(Clone, Debug, Serialize)]
pub struct ModelFacts {
    /// When it was written.
    pub trained: Option<At>,
    /// Rows.
    pub rows: usize,
    /// Share of them that hurt.
    pub base_rate: f64,
    /// Time of the first one.
    pub from: At,
    /// Time of the last one.
    pub until: At,
    /// Days after which a change without a fix is called clean.
    pub maturity_days: f64,
    /// What it is asked with: features of a change.
    pub features: usize,
}

/// How good a model of the earlier changes was on the later ones.
#[derive(Clone, Debug, Serialize)]
pub struct JudgedFigures {
    /// Changes.
    pub rows: usize,
    /// Of them, hurt.
    pub hurt: usize,
    /// Area under the ROC curve, with its interval.
    pub auc: Option<Interval>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Calibration error over the bins.
    pub calibration_error: Option<f64>,
    /// What was said against what became of it.
    pub reliability: Vec<Bin>,
    /// The same over time.
    pub periods: Vec<Period>,
}

/// A figure with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The figure.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Changes of which about the same was said.
#[derive(Clone, Debug, Serialize)]
pub struct Bin {
    /// Least probability.
    pub from: f64,
    /// Up to this.
    pub to: f64,
    /// How many.
    pub rows: usize,
    /// Of them, hurt.
    pub hurt: usize,
    /// Mean of what was said; none without changes.
    pub predicted: Option<f64>,
    /// Share that hurt, with its interval; none without changes.
    pub observed: Option<Interval>,
}

/// Changes of one quarter of a year.
#[derive(Clone, Debug, Serialize)]
pub struct Period {
    /// Its name.
    pub name: String,
    /// How many.
    pub rows: usize,
    /// Of them, hurt.
    pub hurt: usize,
    /// Mean of what was said.
    pub predicted: f64,
    /// Share that hurt, with its interval.
    pub observed: Interval,
    /// Scores that a quarter, half and three quarters of them do not exceed.
    pub quartiles: [f64; 3],
}

/// What moves the newest changes' risks beside what moved those of earlier ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reasons {
    /// The normalised discounted cumulative gain of the order of features now by their sizes before, 1 where nothing is another.
    pub agreement: f64,
    /// Whether it is below what is taken for drift.
    pub drifted: bool,
    /// Earlier changes, and the newest.
    pub changes: (usize, usize),
    /// Features whose share of all that moves risks changed most: before, and now.
    pub moved: Vec<(String, f64, f64)>,
}

/// How much a feature moves risks.
#[derive(Clone, Debug, Serialize)]
pub struct Importance {
    /// Its name.
    pub feature: String,
    /// What it is.
    pub meaning: String,
    /// Mean size of what it adds to the log odds.
    pub mean_log_odds: f64,
}

/// What came after what was read.
#[derive(Clone, Debug, Serialize)]
pub struct Unread {
    /// What is checked out.
    pub head: String,
    /// The newest commit that was read.
    pub read_to: String,
    /// Commits between the two; none where the one does not descend from the other, or that is not known.
    pub commits: Option<usize>,
    /// Whether there are more than those that were counted.
    pub more: bool,
    /// The command that reads them.
    pub command: String,
}

/// A change in a list.
#[derive(Clone, Debug, Serialize)]
pub struct RiskRow {
    /// Its commit.
    pub commit: String,
    /// When it was committed.
    pub at: At,
    /// What the model says; none where an owner has opted out, or it is kept back.
    pub risk: Option<RiskSaid>,
    /// It is kept back: people decide, by lot, and nobody has.
    pub kept_back: bool,
    /// How it ended, as far as it can have a label.
    pub label: Option<RiskLabel>,
}

/// What a model says, in short.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RiskSaid {
    /// The probability that it hurts.
    pub probability: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
    /// Which way it goes.
    pub way: Way,
}

/// How a change ended.
#[derive(Clone, Debug, Serialize)]
pub struct RiskLabel {
    /// How.
    pub ended: Ended,
    /// Who says so: `history`, `delivery`, `person`.
    pub by: &'static str,
    /// Why, in words. What a person wrote is told where labels are listed.
    pub why: String,
}

/// One change with its reasons.
#[derive(Clone, Debug, Serialize)]
pub struct RiskChange {
    /// Its commit.
    pub commit: String,
    /// When it was committed.
    pub at: At,
    /// What the model says.
    #[serde(flatten)]
    pub said: RiskSaid,
    /// From which risk on a change of these owners is held; none where nobody said what mistakes cost.
    pub hold_from: Option<f64>,
    /// Share of the repository's changes that score no higher.
    pub rank: f64,
    /// Whether it can be told, in words.
    pub sure: String,
    /// Features that are not known.
    pub missing: Vec<String>,
    /// From the base to the log odds.
    pub waterfall: Waterfall,
    /// What would lower it, in a sentence.
    pub lower: String,
    /// A line near it.
    pub line: Option<NearLine>,
    /// Pairs of features that move it most together.
    pub together: Vec<PairRow>,
    /// How it ended.
    pub label: Option<RiskLabel>,
    /// Earlier changes that are like it and whose end is known, nearest first.
    pub similar: Vec<SimilarRow>,
    /// Among how many they were looked for.
    pub similar_among: usize,
    /// Files that it touches, with what happened to them before.
    pub files: Vec<FileHistory>,
    /// Files that are not shown.
    pub files_more: usize,
    /// Owners of its paths.
    pub owners: Vec<String>,
}

/// How log odds come about: the base, the steps and the rest sum to the margin.
#[derive(Clone, Debug, Serialize)]
pub struct Waterfall {
    /// Log odds before anything is known of a change.
    pub base: f64,
    /// Features that move them most, most first.
    pub steps: Vec<WaterfallStep>,
    /// All others.
    pub rest: f64,
    /// How many those are.
    pub rest_features: usize,
    /// The log odds.
    pub margin: f64,
    /// The probability that these are, after calibration.
    pub probability: f64,
}

/// What a feature adds.
#[derive(Clone, Debug, Serialize)]
pub struct WaterfallStep {
    /// Its name.
    pub feature: String,
    /// What it is.
    pub meaning: String,
    /// Its value, or what stands for it.
    pub value: f64,
    /// Whether another value stands for it.
    pub assumed: bool,
    /// What it adds.
    pub log_odds: f64,
}

/// A line through what the model says of changes near one: an estimate, beside the exact values.
#[derive(Clone, Debug, Serialize)]
pub struct NearLine {
    /// Share of the model's variance near by that it has.
    pub r_squared: f64,
    /// With which seed it was drawn.
    pub seed: u64,
    /// How many changes near by were asked.
    pub samples: usize,
    /// Share of its heaviest features that are the same when it is drawn with other seeds.
    pub stability: Option<f64>,
    /// What each feature's value adds to the log odds by this line, most first.
    pub weights: Vec<(String, f64)>,
}

/// What two features add together.
#[derive(Clone, Debug, Serialize)]
pub struct PairRow {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// What they add to the log odds beyond what each adds alone.
    pub log_odds: f64,
}

/// A change that is like another.
#[derive(Clone, Debug, Serialize)]
pub struct SimilarRow {
    /// Its commit.
    pub commit: String,
    /// When it was committed.
    pub at: At,
    /// How far it is, in deviations a feature.
    pub distance: f64,
    /// What the model says of it now.
    pub probability: f64,
    /// How it ended.
    pub label: RiskLabel,
}

/// What happened to a file before.
#[derive(Clone, Debug, Serialize)]
pub struct FileHistory {
    /// Its path.
    pub path: String,
    /// Earlier changes of it.
    pub earlier: usize,
    /// Of them, hurt.
    pub hurt: usize,
    /// The newest that hurt, newest first.
    pub newest_hurt: Vec<(String, At, RiskLabel)>,
}
